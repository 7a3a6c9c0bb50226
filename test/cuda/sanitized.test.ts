// Kernels on emulated CUDA under AddressSanitizer and the checker of undefined behaviour, in a process of their own with
// the sanitizer's library preloaded. Needs g++ with libasan, and `npm run build`.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { sanitizerLibrary } from '../../targets/cuda/emulate/build.ts';
import { root } from '../lower/load.ts';
import { compiledCases, pathOf, referenceCases } from '../verify/cases.ts';
import { compiler } from './emulated.ts';

const library = compiler === null ? null : await sanitizerLibrary(compiler);
const isBuilt = existsSync(join(root, 'dist/targets/cuda/device/index.js'));

interface Ended {
  readonly failed: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

function sanitized(what: object): Promise<Ended> {
  const script = fileURLToPath(new URL('./sanitized.mjs', import.meta.url));
  const env = {
    ...process.env,
    LD_PRELOAD: library!,
    ASAN_OPTIONS: 'detect_leaks=0:handle_segv=2', // node has a handler of its own
    PEGEN_EMULATE_SANITIZE: '1',
    CXXFLAGS: '-O0',
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [script, JSON.stringify(what)], { cwd: root, env }, (error, stdout, stderr) => {
      resolve({ failed: error !== null, stdout, stderr });
    });
  });
}

const kernel = (body: string): string => `extern "C" __global__ void oops(const Sizes sizes, float* a) {\n${body}\n}\n`;

describe.skipIf(library === null || !isBuilt)('under AddressSanitizer', () => {
  it('the vectors pass and nothing is told', async () => {
    const narrow = compiledCases.filter(([name]) => ['rope_split', 'carope'].includes(name));
    const cases = [
      ...referenceCases.map(([name, program, params]) => [name, pathOf(program), params, 'f32']),
      ...narrow.map(([name, program, params]) => [name, pathOf(program), params, 'bf16']),
    ];
    const { stdout, stderr } = await sanitized({ cases });
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual(
      cases.map(([name, , , precision]) => `${String(name)} ${String(precision)} passed`),
    );
  });

  it('a write outside a buffer is told with its line', async () => {
    const { failed, stderr } = await sanitized({ text: kernel('\na[(int)threadIdx.x - 1] = 1.0f;') });
    expect(failed).toBe(true);
    expect(stderr).toMatch(/AddressSanitizer: use-after-poison[^]*#0 [^\n]*oops\w*\.cu:3/);
  });

  it('a read past the end of shared memory too', async () => {
    const body =
      '__shared__ float tile[64];\nfloat* last = tile + threadIdx.x;\ntile[threadIdx.x] = 1.0f;\na[0] = last[1];';
    const { failed, stderr } = await sanitized({ text: kernel(body) });
    expect(failed).toBe(true);
    expect(stderr).toMatch(/global-buffer-overflow[^]*#0 [^\n]*oops\w*\.cu:5/);
  });

  it('an integer that overflows is told', async () => {
    const { stdout, stderr } = await sanitized({
      text: kernel('int n = sizes.tokens << 25;\na[0] = float(n + n - 1);'),
    });
    expect(stderr).toMatch(/oops\w*\.cu:3:\d+: runtime error: signed integer overflow/);
    expect(stdout).toContain('oops ran');
  });
});
