// The program from outside on the CPU: what --device auto takes and why, --threads, verify, train, stop, go on, sample.

import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { inFolder, pegen, type Ran } from '../cli/run.ts';

vi.setConfig({ testTimeout: 180_000 }); // a process for each command

const example = (name: string): string => resolve('examples', `${name}.pe`);
const vectors = (name: string): string => resolve('test/fixtures/vectors', `${name}.json`);
const text = 'The quick brown fox jumps over the lazy dog, and a model learns it by heart. '.repeat(60);
const small = '--data text.txt --width 16 --heads 2 --layers 1 --context 16 --batch 2 --evaluate 1 --report 2'.split(
  ' ',
);
/** No GPU, whatever the machine has. */
const nothing = {
  PEGEN_CUDA_DRIVER: resolve('no/libcuda.so.1'),
  VK_DRIVER_FILES: resolve('no/lvp_icd.json'),
  PEGEN_PRODUCTS: 'own',
};

const inPlace = (use: (folder: string) => Promise<void>): Promise<void> =>
  inFolder(async (folder) => {
    writeFileSync(join(folder, 'text.txt'), text);
    await use(folder);
  });

/** A checkpoint without its header, which has the run's folder and times in it. */
function tensorsOf(folder: string): Buffer {
  const file = readFileSync(join(folder, 'step-00000006.safetensors'));
  return file.subarray(8 + Number(file.readBigUInt64LE(0)));
}

describe.concurrent('--device', () => {
  const verify = (name: string, ...more: string[]): Promise<Ran> =>
    pegen(['verify', example(name), '--vectors', vectors(name === 'rope' ? 'rope_split' : name), ...more], {
      env: { ...nothing, PEGEN_THREADS: '2' },
    });

  test('auto takes the CPU where there is no GPU, and says why', async () => {
    const { code, out, err } = await verify('rope', '--device', 'auto');
    expect(err).toMatch(
      /^device: CPU: .+, 2 threads \(WebAssembly SIMD\), since there is no GPU; cuda: no NVIDIA driver library; webgpu: no hardware adapter\n$/,
    );
    expect([code, out]).toEqual([0, expect.stringContaining('within 0.00002')]);
  });

  test('cpu has as many threads as are asked for', async () => {
    const { code, out, err } = await verify('carope', '--device', 'cpu', '--threads', '3', '--json');
    expect(err).toMatch(/^device: CPU: .+, 3 threads \(WebAssembly SIMD\), as --device says\n$/);
    expect([code, (JSON.parse(out) as { passed: boolean }).passed]).toEqual([0, true]);
  });

  test('what the CPU has not is refused', async () => {
    const refused: readonly (readonly [readonly string[], number, RegExp])[] = [
      [['--device', 'cpu', '--precision', 'bf16'], 2, /--device cpu cannot store bf16[^]*--precision f32/],
      [['--device', 'swiftshader', '--threads', '2'], 2, /--threads is of the CPU, and --device says swiftshader/],
      [['--device', 'cpu', '--threads', '0'], 2, /whole number from 1/],
      [['--device', 'cpu', '--emulate'], 2, /--emulate runs CUDA kernels, and --device says cpu/],
      [['--device', 'cpu', '--threads', '100000'], 1, /100000 threads; a CPU device has 1 to 256/],
    ];
    for (const [more, code, says] of refused) {
      const ran = await verify('rope', ...more);
      expect(ran.err).toMatch(says);
      expect(ran.code).toBe(code);
    }
    const odd = await pegen(['devices'], { env: { ...nothing, PEGEN_THREADS: 'many' } });
    expect([odd.code, odd.err]).toEqual([2, expect.stringMatching(/PEGEN_THREADS is many/)]);
  });
});

describe.concurrent('devices', () => {
  test('lists the CPU before software drivers, with its threads', async () => {
    const env = { ...nothing, PEGEN_THREADS: '5' };
    const { code, out } = await pegen(['devices', '--json'], { env });
    expect(code).toBe(0);
    const rows = JSON.parse(out) as { device: string; available: boolean; taken: boolean; threads?: number }[];
    const cpu = rows.findIndex(({ device }) => device === 'cpu');
    expect(rows[cpu]).toMatchObject({ available: true, taken: true, threads: 5, bytes: 2 ** 32 });
    const software = rows.findIndex(({ device, available }) => device === 'swiftshader' && available);
    expect(software === -1 || software > cpu).toBe(true);
    expect((await pegen(['devices'], { env })).out).toMatch(/^auto +cpu .* 4 GiB .*WebAssembly SIMD; 5 threads; /m);
  });
});

describe.concurrent('train', () => {
  test('learns, stops, goes on to the same bits with another number of threads, and samples', () =>
    inPlace(async (folder) => {
      const run = (threads: string, ...more: string[]): Promise<Ran> =>
        pegen(['train', example('carope'), ...small, '--steps', '6', '--threads', threads, ...more], {
          cwd: folder,
          env: nothing,
        });
      const whole = await run('2', '--out', 'whole');
      expect([whole.code, whole.err]).toEqual([0, expect.stringMatching(/^device: CPU: .*, since there is no GPU/)]);
      expect(whole.out).toMatch(/carope\s+\d+\.\d{4}/);

      await pegen(['train', example('carope'), ...small, '--steps', '6', '--threads', '3', '--out', 'parts'], {
        cwd: folder,
        env: nothing,
        when: { says: /step \d\/6/, act: (kill) => kill('SIGINT') },
      });
      expect((await run('1', '--resume', '--out', 'parts')).code).toBe(0);
      expect(tensorsOf(join(folder, 'parts')).equals(tensorsOf(join(folder, 'whole')))).toBe(true);

      const sample = await pegen(['sample', 'whole', '--prompt', 'The ', '--length', '5'], {
        cwd: folder,
        env: nothing,
      });
      expect([sample.code, sample.out]).toEqual([0, expect.stringMatching(/^The /)]);
    }));

  test('refuses what does not fit, and profiles a step', () =>
    inPlace(async (folder) => {
      const large = ['--device', 'cpu', '--data', 'text.txt', '--width', '65536'];
      const refused = await pegen(['train', example('rope'), ...large], { cwd: folder, env: nothing });
      expect([refused.code, refused.err]).toEqual([1, expect.stringMatching(/does not fit[^]*hint[^]*--layers/)]);
      const profiled = await pegen(['train', example('rope'), ...small, '--device', 'cpu', '--profile'], {
        cwd: folder,
        env: nothing,
      });
      expect([profiled.code, profiled.out]).toEqual([0, expect.stringMatching(/kernel/)]);
    }));
});
