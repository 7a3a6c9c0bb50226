// The program from outside: what it prints, what it writes, and its exit codes. Nothing here opens a device.

import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inFolder, pegen } from './run.ts';

const example = (name: string): string => resolve('examples', `${name}.pe`);

describe.concurrent('help', () => {
  test('lists every command with examples', async () => {
    const { code, out } = await pegen(['--help']);
    expect(code).toBe(0);
    for (const name of [
      'build',
      'check',
      'explain',
      'verify',
      'train',
      'compare',
      'sample',
      'fmt',
      'devices',
      'init',
      'demo',
      'bench',
    ])
      expect(out).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(out).toContain('$ pegen build');
  });

  test('of a command has examples too', async () => {
    for (const name of ['build', 'train', 'verify']) {
      const { code, out } = await pegen([name, '--help']);
      expect(code).toBe(0);
      expect(out).toContain(`$ pegen ${name}`);
    }
  });

  test('the version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect((await pegen(['--version'])).out.trim()).toBe(version);
  });
});

describe.concurrent('wrong calls exit with 2 and say what to write', () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['biuld'], /unknown command 'biuld'[^]*Did you mean build/],
    [['check', '--jsno', 'x.pe'], /unknown option '--jsno'[^]*Did you mean --json/],
    [['check', 'missing.pe'], /there is no file missing\.pe/],
    [['check', '.'], /\. is a folder/],
    [
      ['build', 'examples/rope.pe', '--heads', 'many'],
      /--heads <n>' argument 'many' is invalid\. It must be a whole number from 1/,
    ],
    [['build', 'examples/rope.pe', '--param', 'base'], /It must be NAME=NUMBER/],
    [['build', 'examples/rope.pe', '--emit', 'cuda'], /Allowed choices are all, kernels, ts/],
    [['explain', 'examples/rope.pe', '--chip', 'abacus'], /no chip is called abacus[^]*one of h100/],
    [['explain', 'PE9999'], /no diagnostic has the code PE9999/],
    [['build', 'examples/rope.pe', '--heads', '6', '--kv-heads', '4'], /6 heads cannot share 4 key heads evenly/],
    [['build', 'examples/rope.pe', '--layer', '2'], /there is no layer 2 of 2/],
    [['build', 'examples/rope.pe', '--precision', 'bf16'], /WGSL has no bf16 storage[^]*--target cuda/],
    [['explain', 'examples/rope.pe', '--precision', 'bf16'], /WGSL has no bf16 storage/],
    [['bench', '--bytes', '4M,much'], /It must be amounts such as 4M,42M,512M,2G/],
    [['bench', '--bytes', '4M', '--train', 'small'], /--bytes goes without --batch and --train/],
    [['bench', '--train', 'gpt5'], /no model is called gpt5/],
    [
      ['verify', 'examples/rope.pe', '--vectors', 'package.json', '--precision', 'bf16'],
      /the reference computes in float64/,
    ],
    [['verify', 'examples/rope.pe'], /say --vectors CASE\.json/],
    [['verify', 'examples/rope.pe', '--vectors', 'package.json'], /is not a case/],
    [['compare', 'examples/rope.pe'], /one encoding cannot be compared/],
    [['fmt'], /which files\?/],
    [
      ['train', 'examples/rope.pe', '--data', 'missing.txt'],
      /cannot read the corpus missing\.txt: there is no such file/,
    ],
    [['train', 'examples/rope.pe', '--width', '65'], /width 65 is no multiple of 4 heads/],
    [['train', 'examples/rope.pe', '--model', 'gpt5'], /no model is called gpt5/],
    [[], /Usage: pegen/],
  ];
  test.each(cases)('pegen %j', async (args, says) => {
    const { code, err } = await pegen(args);
    expect(err).toMatch(says);
    expect(code).toBe(2);
  });
});

describe.concurrent('check', () => {
  const wrong = 'encoding e {\n  let a[t: token] = basis * position[t]\n  rotate query [t, h, p] by a[t]\n}\n';

  test('says what is learned and how laws were decided', async () => {
    const { code, out, err } = await pegen(['check', example('carope'), example('rope')]);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('learns W [m: 64, h: 4]: 512 numbers in 2 layers');
    expect(out).toMatch(/orthogonal: proved/);
  });

  test('shows mistakes in frames and exits with 1', () =>
    inFolder(async (folder) => {
      writeFileSync(join(folder, 'e.pe'), wrong);
      const { code, err } = await pegen(['check', 'e.pe'], { cwd: folder });
      expect(code).toBe(1);
      expect(err).toMatch(/error\[PE\d{4}\].*basis/);
      expect(err).toContain('e.pe:2:21');
      expect(err).not.toContain('\x1b[');
    }));

  test('as JSON for scripts', () =>
    inFolder(async (folder) => {
      writeFileSync(join(folder, 'e.pe'), wrong);
      const { code, out } = await pegen(['check', 'e.pe', '--json'], { cwd: folder });
      expect(code).toBe(1);
      const [first] = JSON.parse(out) as { code: string; file: string; start: { line: number } }[];
      expect([first!.file, first!.start.line]).toEqual(['e.pe', 2]);
      expect((await pegen(['check', example('rope'), '--json'])).out.trim()).toBe('[]');
    }));

  test('names a param that is not there, with those that are', async () => {
    const { code, err } = await pegen(['check', example('rope'), '--param', 'bse=3']);
    expect(code).toBe(1);
    expect(err).toMatch(/bse[^]*base/);
  });

  test('reads imports beside the file', async () => {
    const { code } = await pegen(['check', join('..', 'examples', 'rope_ntk.pe')], { cwd: resolve('test') });
    expect(code).toBe(0);
  });

  test('colours where it is asked to', async () => {
    const { err } = await inFolder(async (folder) => {
      writeFileSync(join(folder, 'e.pe'), wrong);
      return pegen(['check', 'e.pe'], { cwd: folder, env: { FORCE_COLOR: '1' } });
    });
    expect(err).toContain('\x1b[');
  });
});

describe.concurrent('build', () => {
  test('writes kernels and glue, once', () =>
    inFolder(async (folder) => {
      const first = await pegen(['build', example('rope'), '--out', 'out'], { cwd: folder });
      expect([first.code, first.err]).toEqual([0, '']);
      expect(readdirSync(join(folder, 'out')).sort()).toEqual(['rope.webgpu.ts', 'rope.wgsl']);
      const glue = join(folder, 'out', 'rope.webgpu.ts');
      const [header, second] = readFileSync(glue, 'utf8').split('\n');
      expect(header).toMatch(/^\/\/ Generated by pegen from rope\.pe, sha256 [0-9a-f]{64}$/);
      expect(second).toContain("from 'pegen/device'");
      utimesSync(glue, 1, 1);
      const again = await pegen(['build', example('rope'), '--out', 'out'], { cwd: folder });
      expect(again.out).toContain('unchanged');
      expect(statSync(glue).mtimeMs).toBe(1000);
    }));

  test('never writes over a file that is not its own, and then writes nothing', () =>
    inFolder(async (folder) => {
      writeFileSync(join(folder, 'rope.webgpu.ts'), 'mine\n');
      const { code, err } = await pegen(['build', example('rope')], { cwd: folder });
      expect(code).toBe(2);
      expect(err).toContain('was not written by pegen');
      expect(readFileSync(join(folder, 'rope.webgpu.ts'), 'utf8')).toBe('mine\n');
      expect(existsSync(join(folder, 'rope.wgsl'))).toBe(false);
    }));

  test('writes nothing where there is a mistake', () =>
    inFolder(async (folder) => {
      writeFileSync(join(folder, 'e.pe'), 'encoding e {\n  rotate query [t, h, p] by b[t]\n}\n');
      const { code } = await pegen(['build', 'e.pe', '--out', 'out'], { cwd: folder });
      expect(code).toBe(1);
      expect(existsSync(join(folder, 'out'))).toBe(false);
    }));

  test('--target chooses the language, and its precision', () =>
    inFolder(async (folder) => {
      const { code, out } = await pegen(['build', example('rope'), '--target', 'cuda', '--precision', 'bf16'], {
        cwd: folder,
      });
      expect([code, out]).toEqual([0, expect.stringMatching(/wrote .*rope\.cu\n[^]*wrote .*rope\.cuda\.ts/)]);
      const text = readFileSync(join(folder, 'rope.cu'), 'utf8');
      expect(text).toMatch(/extern "C" __global__[^]*query_encoded/);
      expect(text).not.toContain('#include');
      expect(readFileSync(join(folder, 'rope.cuda.ts'), 'utf8')).toContain('bf16');
    }));

  test('--emit chooses, --out must be a folder', () =>
    inFolder(async (folder) => {
      await pegen(['build', example('nope'), '--emit', 'ts'], { cwd: folder });
      expect(readdirSync(folder)).toEqual(['nope.webgpu.ts']);
      writeFileSync(join(folder, 'file'), '');
      const { code, err } = await pegen(['build', example('nope'), '--out', 'file'], { cwd: folder });
      expect([code, err]).toEqual([2, expect.stringContaining('--out file is not a folder')]);
    }));
});

describe.concurrent('explain', () => {
  test('shows stages, kernels with floors, what is learned, laws', async () => {
    const { code, out } = await pegen(['explain', example('carope'), '--chip', 'a100']);
    expect(code).toBe(0);
    for (const part of [
      'Stages',
      'token  f_sum',
      'Kernels (batch 8, 64 tokens; floors on NVIDIA A100',
      'Saved for backward',
      'learns W',
      'orthogonal: proved',
    ])
      expect(out).toContain(part);
  });

  test.each([
    ['tokens', /1:1|2:1/],
    ['ast', /"kind": "rotate"/],
    ['ir', /query_encoded/],
    ['grad', /d_query/],
    ['plan', /entry backward/],
    ['wgsl', /@compute/],
    ['ts', /export function backward/],
  ])('--emit %s', async (stage, says) => {
    const { code, out } = await pegen(['explain', example('rope'), '--emit', stage]);
    expect(code).toBe(0);
    expect(out).toMatch(says);
  });

  test('prints the page of a code', async () => {
    const { code, out } = await pegen(['explain', 'pe0201']);
    expect(code).toBe(0);
    expect(out).toMatch(/^# PE0201/);
  });
});

describe.concurrent('fmt', () => {
  const messy = 'encoding   e{\nlet a[t:token]=position[t]   // kept\n}\n';

  test('writes the canonical form, keeps comments, and is then content', () =>
    inFolder(async (folder) => {
      const file = join(folder, 'e.pe');
      writeFileSync(file, messy);
      expect((await pegen(['fmt', '--check', 'e.pe'], { cwd: folder })).code).toBe(1);
      expect(readFileSync(file, 'utf8')).toBe(messy);
      expect((await pegen(['fmt', 'e.pe'], { cwd: folder })).code).toBe(0);
      expect(readFileSync(file, 'utf8')).toContain('// kept');
      expect((await pegen(['fmt', '--check', 'e.pe'], { cwd: folder })).code).toBe(0);
    }));

  test('goes through standard input, and leaves what it cannot read', async () => {
    const good = await pegen(['fmt', '--stdin'], { input: messy });
    expect([good.code, good.out]).toEqual([0, expect.stringContaining('let a[t: token] = position[t]')]);
    const bad = await pegen(['fmt', '--stdin'], { input: 'encoding {' });
    expect([bad.code, bad.out]).toEqual([1, 'encoding {']);
  });
});

describe.concurrent('init', () => {
  test('writes a file that passes check and is in canonical form, once', () =>
    inFolder(async (folder) => {
      expect((await pegen(['init', 'My Idea.pe'], { cwd: folder })).code).toBe(0);
      const { code, out } = await pegen(['check', 'My Idea.pe'], { cwd: folder });
      expect([code, out]).toEqual([0, expect.stringContaining('My_Idea is well-formed')]);
      expect((await pegen(['fmt', '--check', 'My Idea.pe'], { cwd: folder })).code).toBe(0);
      const again = await pegen(['init', 'My Idea.pe'], { cwd: folder });
      expect([again.code, again.err]).toEqual([2, expect.stringContaining('is there already')]);
    }));
});

describe.concurrent('verify', () => {
  test('compares with a case, and fails past the tolerance', async () => {
    const vectors = resolve('test/fixtures/vectors/rope_split.json');
    const good = await pegen(['verify', example('rope'), '--vectors', vectors, '--tolerance', '1e-9']);
    expect([good.code, good.out]).toEqual([0, expect.stringContaining('within 1e-9')]);
    const bad = await pegen(['verify', example('rope_interleaved'), '--vectors', vectors]);
    expect([bad.code, bad.out]).toEqual([1, expect.stringContaining('too large')]);
  });

  test('writes a case that it agrees with', () =>
    inFolder(async (folder) => {
      const sizes = ['--heads', '2', '--head-dim', '8', '--tokens', '5'];
      const made = await pegen(['verify', example('carope'), '--write', 'case.json', ...sizes], { cwd: folder });
      expect([made.code, made.err]).toEqual([0, '']);
      const { code, out } = await pegen(['verify', example('carope'), '--vectors', 'case.json', '--json'], {
        cwd: folder,
      });
      expect(code).toBe(0);
      const { rows } = JSON.parse(out) as { rows: { tensor: string; passed: boolean }[] };
      expect(rows.map(({ tensor }) => tensor)).toEqual(expect.arrayContaining(['output', 'W', 'query']));
    }));

  test('compares what is done to the embedding', () =>
    inFolder(async (folder) => {
      const given = ['verify', example('learned_absolute'), '--heads', '2', '--head-dim', '8', '--tokens', '5'];
      expect((await pegen([...given, '--write', 'case.json'], { cwd: folder })).code).toBe(0);
      const good = await pegen([...given, '--vectors', 'case.json'], { cwd: folder });
      expect([good.code, good.out]).toEqual([0, expect.stringMatching(/^E +gradient, embedding +\S+ +ok/m)]);
      const path = join(folder, 'case.json');
      const made = JSON.parse(readFileSync(path, 'utf8')) as { embedding: { gradients: { E: { data: number[] } } } };
      made.embedding.gradients.E.data[3]! += 0.1;
      writeFileSync(path, JSON.stringify(made));
      const bad = await pegen([...given, '--vectors', 'case.json'], { cwd: folder });
      expect([bad.code, bad.out]).toEqual([1, expect.stringMatching(/^E +gradient, embedding +\S+ +too large/m)]);
    }));
});

describe.concurrent('train', () => {
  test('does not begin where a run is', () =>
    inFolder(async (folder) => {
      mkdirSync(join(folder, 'run'));
      writeFileSync(join(folder, 'run', 'step-00000001.safetensors'), '');
      const { code, err } = await pegen(['train', example('rope'), '--out', 'run'], { cwd: folder });
      expect([code, err]).toEqual([2, expect.stringContaining('go on with --resume')]);
    }));

  test('says that there is nothing to resume', () =>
    inFolder(async (folder) => {
      const { code, err } = await pegen(['train', example('rope'), '--out', 'run', '--resume'], { cwd: folder });
      expect([code, err]).toEqual([1, expect.stringContaining('there is no such folder')]);
    }));

  test('says that a corpus is too short', () =>
    inFolder(async (folder) => {
      writeFileSync(join(folder, 'short.txt'), 'too short');
      const { code, err } = await pegen(['train', example('rope'), '--data', 'short.txt'], { cwd: folder });
      expect(code).toBe(2);
      expect(err).toMatch(/error: .*(short|tokens)/);
    }));
});
