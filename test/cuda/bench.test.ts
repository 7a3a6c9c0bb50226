// The GPU benchmark from end to end, on the emulation: every part runs and both files are written. Its times mean nothing.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { findHostCompiler } from '../../targets/cuda/emulate/build.ts';

const script = fileURLToPath(new URL('../bench/cuda.mjs', import.meta.url));
const host = await findHostCompiler();
if (host === null) console.warn('without g++ the benchmark is not tried');

describe.skipIf(host === null)('the GPU benchmark', () => {
  it('measures encodings and writes what was asked beside what was measured', async () => {
    const out = await mkdtemp(join(tmpdir(), 'pegen-bench-'));
    const shape = ['--heads', '4', '--kv-heads', '2', '--head-dim', '16'];
    const few = ['--emulate', '--no-train', '--no-peers', '--encodings', 'rope,rope_learned', '--precisions', 'bf16'];
    await promisify(execFile)(process.execPath, [script, ...few, '--bytes', '4K,8K', ...shape, '--out', out]);
    const name = 'emulated-cuda-on-this-cpu';
    const { kernels } = JSON.parse(await readFile(join(out, `${name}.json`), 'utf8'));
    const rows: { encoding: string; part: string; asked: number; floorBytes: number }[] = kernels[0].rows;
    expect(rows.map(({ encoding, part }) => `${encoding} ${part}`)).toEqual(
      ['rope', 'rope_learned'].flatMap((encoding) =>
        [4, 8].flatMap(() => ['forward', 'backward', 'whole'].map((part) => `${encoding} ${part}`)),
      ),
    );
    // The size asked for is what the rotation reads and writes; with the angle's gradient half as much again.
    for (const { encoding, part, asked, floorBytes } of rows) {
      const times = part === 'forward' ? 1 : (part === 'whole' ? 1 : 0) + (encoding === 'rope' ? 1 : 1.5);
      expect(Math.abs(floorBytes / asked - times)).toBeLessThan(0.1);
    }
    expect(await readFile(join(out, `${name}.md`), 'utf8')).toContain('| rope | forward | bf16 |');
  });
});
