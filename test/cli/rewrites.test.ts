// What the compiler saw, as `pegen explain` tells it, and the flag that leaves rewrites out.

import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inFolder, pegen } from './run.ts';

const alibi = resolve('examples/alibi.pe');
const rotations = [resolve('examples/comrope_ld_1d.pe'), '--param', 'block=2'];

describe.concurrent('rewrites', () => {
  test('explain names the line and what is left of it', async () => {
    const { code, out } = await pegen(['explain', alibi]);
    expect(code).toBe(0);
    expect(out).toMatch(/^Seen \(/m);
    expect(out).toMatch(/key-terms +score_1 +alibi\.pe:5 +softmax forgets slope\[h\] \* i; score_1_of_key/);
  });

  test('--rewrites none compiles what is written; -NAME leaves one out', async () => {
    const none = await pegen(['explain', alibi, '--rewrites', 'none']);
    expect(none.out).not.toMatch(/^Seen/m);
    const without = await pegen(['explain', ...rotations, '--rewrites', '-rotations', '--emit', 'plan']);
    expect(without.out).toContain('matrix_generator');
    const all = await pegen(['explain', ...rotations, '--emit', 'plan']);
    expect(all.out).not.toContain('matrix_generator');
    expect(all.out).toContain('matrix_phase');
  });

  test('generators is said to be possible, and done where it is named', async () => {
    const file = resolve('examples/comrope_ld_1d.pe');
    const page = await pegen(['explain', file]);
    expect(page.out).toMatch(/not generators +query_encoded +comrope_ld_1d\.pe:12 +done only where named/);
    expect(page.out).toContain('from learned tensors: once an optimizer step, in every layer');
    expect(page.out).toMatch(/matrix +matrix \[tokens, 4, 2, 8, 8\]/);
    for (const names of ['all,generators', 'generators']) {
      const { out } = await pegen(['explain', file, '--rewrites', names]);
      expect(out).toMatch(/^ +generators +key_encoded +comrope_ld_1d\.pe:12 +P less its transpose is taken canonical/m);
      expect(out).toMatch(/matrix_phase \[tokens, 4, 2, 4\]/);
      expect(out).not.toContain('matrix_generator');
    }
  });

  test('generators is refused where it is not the same: with the biases of a GPT-2, against vectors', async () => {
    const file = resolve('examples/comrope_ld_1d.pe');
    const train = await pegen(['train', file, '--rewrites', 'all,generators', '--steps', '1', '--device', 'cpu']);
    expect(train.code).not.toBe(0);
    expect(train.err).toContain("GPT-2's biases of query and key");
    const verify = await pegen(['verify', file, '--vectors', 'none.json', '--rewrites', 'generators']);
    expect(verify.code).toBe(2);
    expect(verify.err).toContain('the same model with other weights');
  });

  test('--json has them as data', async () => {
    const { out } = await pegen(['explain', ...rotations, '--json']);
    const { seen } = JSON.parse(out) as { seen: readonly Record<string, unknown>[] };
    expect(seen.map(({ rewrite, applied, tensor, line }) => [rewrite, applied, tensor, line])).toEqual([
      ['rotations', true, 'query_encoded', 'comrope_ld_1d.pe:12'],
      ['rotations', true, 'key_encoded', 'comrope_ld_1d.pe:12'],
    ]);
  });

  test('a table over the vocabulary where it has fewer words than a step has tokens, and why not', async () => {
    const carope = resolve('examples/catalogue/rotary/carope_embedding.pe');
    const seen = async (...flags: string[]) => (await pegen(['explain', carope, ...flags])).out;
    expect(await seen()).toMatch(/not vocabulary +f +carope_embedding\.pe:6 +f depends .* is not known/);
    expect(await seen('--vocabulary', '256')).toMatch(/ vocabulary +f +carope_embedding\.pe:6 +f depends .* a table/);
    expect(await seen('--vocabulary', '512')).toMatch(/not vocabulary .* there are 512 words, and 512 tokens at once/);
    expect(await seen('--vocabulary', '256', '--rewrites', '-vocabulary')).not.toMatch(/^Seen/m);
  });

  test('a name that is none is a usage error', async () => {
    const { code, err } = await pegen(['build', alibi, '--rewrites', 'everything']);
    expect(code).toBe(2);
    expect(err).toMatch(/some of .*key-terms, channels, rotations/);
  });

  test('build writes other kernels without them', () =>
    inFolder(async (folder) => {
      const kernels = async (...flags: string[]): Promise<string> => {
        const out = join(folder, flags.join('') || 'all');
        mkdirSync(out);
        expect((await pegen(['build', alibi, '--emit', 'kernels', '--out', out, ...flags])).code).toBe(0);
        return readFileSync(join(out, 'alibi.wgsl'), 'utf8');
      };
      expect(await kernels()).toContain('score_1_of_key');
      expect(await kernels('--rewrites', 'none')).not.toContain('score_1_of_key');
    }));
});
