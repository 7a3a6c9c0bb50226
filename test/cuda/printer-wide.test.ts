// Offsets past 2^31: which integers of a kernel are wide, and that a wide build of decode's kernels writes and reads the
// right rows of a cache of 6 * 2^30 numbers, of which the emulation only holds what is touched. Needs g++ for the latter.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Expression, Statement } from '../../codegen/kernel.ts';
import * as build from '../../codegen/kernel-build.ts';
import { printSize } from '../../codegen/plan/size.ts';
import { integersOf } from '../../targets/cuda/integers.ts';
import { prelude } from '../../targets/cuda/prelude.ts';
import { cuda } from '../../targets/cuda/printer.ts';
import { printStatements } from '../../targets/print.ts';
import { syntaxOf } from '../../targets/cuda/syntax.ts';
import { chars, compiler, openEmulated, type Emulated } from './emulated.ts';
import { planExample } from './kernels.ts';

const { add, i32, laneIndex, letOf, load, local, multiply, quotient, remainder, sizeOf, store, workgroupIndex } = build;
const name = (wanted: string): Expression => local(wanted, 'i32');
const flat = add(multiply(workgroupIndex, i32(64)), laneIndex);

function printed(statements: readonly Statement[]): readonly string[] {
  const bindings = [{ name: 'out', type: 'f32', access: 'read_write' } as const];
  return printStatements(statements, syntaxOf(bindings, integersOf({ statements, lanes: 64 })), 0);
}

describe('integers', () => {
  it('are as wide as they may become', () => {
    const statements = [
      letOf('at', flat),
      letOf('d', remainder(name('at'), i32(64))),
      letOf('t', remainder(quotient(name('at'), i32(64)), sizeOf('tokens'))),
      letOf('h', multiply(name('d'), i32(12))),
      letOf('huge', multiply(name('d'), i32(2 ** 28))),
      store('out', add(multiply(name('t'), i32(768)), name('h')), build.f32(0)),
    ];
    expect(printed(statements)).toEqual([
      'const index_t at = group * 64 + lane;',
      'const int d = at % 64;',
      'const index_t t = at / 64 % sizes.tokens;',
      'const int h = d * 12;',
      'const index_t huge = index_t(d) * 268435456;',
      'out[t * 768 + h] = 0.0f;',
    ]);
  });

  it('that are loaded wrap around as values, and are promoted as indices', () => {
    const statements = [
      letOf('id', load('ids', laneIndex, 'i32')),
      letOf('hash', multiply(name('id'), i32(7919))),
      letOf('row', multiply(name('id'), i32(768))),
      letOf('bucket', call('bit_and', name('hash'), i32(63))),
      store('out', add(name('row'), multiply(name('bucket'), i32(8))), build.toF32(name('hash'))),
    ];
    expect(printed(statements)).toEqual([
      'const int id = ids[lane];',
      'const int hash = wrapping_multiply(id, 7919);',
      'const index_t row = index_t(id) * 768;',
      'const int bucket = hash & 63;',
      'out[row + bucket * 8] = float(hash);',
    ]);
  });

  it('of loops and variables are as wide as their bounds and values', () => {
    const statements = [
      build.varOf('sum', i32(0)),
      build.loop('t', i32(0), sizeOf('keys'), [build.assign('sum', add(name('sum'), name('t')))]),
      build.loop('k', i32(0), i32(8), [store('out', add(name('k'), name('sum')), build.f32(0))]),
    ];
    expect(printed(statements).filter((line) => /index_t|int/.test(line))).toEqual([
      'index_t sum = 0;',
      'for (index_t t = 0; t < sizes.keys; t += 1) {',
      'for (int k = 0; k < 8; k += 1) {',
    ]);
  });
});

const call = build.call;

const [capacity, heads, width] = [3 * 2 ** 22, 4, 64];
const sizes = { batch: 2, tokens: 1, keys: capacity, first: capacity - 1, capacity };
const elements = sizes.batch * capacity * heads * width;

describe.skipIf(compiler === null)('a cache of 6 * 2^30 numbers', () => {
  let emulated: Emulated;
  beforeEach(async () => {
    emulated = await openEmulated();
  });
  afterEach(() => emulated.close());

  /** Launches decode's kernel that writes the rotated keys, and reads the last row of each sequence: its error. */
  async function lastRows(wide: boolean): Promise<readonly number[] | 'fault'> {
    const plans = await planExample('rope.pe', 'f32');
    const decode = plans[0]!.entries.find((entry) => entry.name === 'decode')!;
    const written = ({ bindings }: { bindings: readonly { name: string; access: string }[] }, at: number) =>
      bindings[at]!.access === 'read_write';
    const launch = decode.launches.find(({ kernel, buffers }) =>
      buffers.some((buffer, at) => buffer.name === 'key_encoded' && written(kernel, at)),
    )!;
    const variant = launch.kernel.variants.at(-1)!;
    const text = [wide ? '#define PEGEN_WIDE 1\n' : '', prelude, cuda.kernel(variant.body, '')].join('');
    const module = await emulated.load({ text, kernels: [variant.body.name], flags: ['-fwrapv'] });
    const kernel = emulated.out('cuModuleGetFunction', module, chars(variant.body.name));

    const key = Float32Array.from({ length: 2 * heads * width }, (_, n) => Math.sin(n));
    const angle = Float32Array.from({ length: width / 2 }, (_, n) => n / 7);
    const query = new Float32Array(2 * 12 * width);
    const given: Record<string, Float32Array> = {
      key,
      query,
      angle_cos: angle.map(Math.cos),
      angle_sin: angle.map(Math.sin),
    };
    let cache = 0n;
    const addresses = launch.buffers.map(({ name: wanted }) => {
      if (wanted !== 'key_encoded') return emulated.allocate(given[wanted]!);
      cache = emulated.out('cuMemAlloc_v2', elements * 4);
      return cache;
    });
    const block = Int32Array.of(sizes.batch, sizes.tokens, sizes.keys, sizes.first, capacity, 0);
    const blocks = groupsOf(printSize(variant.groups));
    if (emulated.launch(kernel, blocks, variant.body.workgroup, [block, ...addresses]) !== 0) return 'fault';
    const rows = [0, 1].map((b) => {
      const at = ((b + 1) * capacity - 1) * heads * width;
      return emulated.read(cache + BigInt(at) * 4n, new Float32Array(heads * width));
    });
    const expected = [0, 1].map((b) =>
      Float32Array.from({ length: heads * width }, (_, n) => {
        const [h, p] = [Math.floor(n / width), n % (width / 2)];
        const from = (b * heads + h) * width;
        const [x, y] = [key[from + p]!, key[from + p + width / 2]!];
        const [c, s] = [Math.cos(angle[p]!), Math.sin(angle[p]!)];
        return n % width < width / 2 ? x * c - y * s : x * s + y * c;
      }),
    );
    const error = (b: number): number => Math.max(...rows[b]!.map((value, n) => Math.abs(value - expected[b]![n]!)));
    return [error(0), error(1)];
  }

  /** The number of workgroups, from its text, 'ceil(batch * tokens * 96 / 256) + ...'. */
  const groupsOf = (text: string): number => {
    const script = text
      .replaceAll('ceil', 'Math.ceil')
      .replace(/\b(batch|tokens|keys|first|capacity)\b/g, (word) => String(sizes[word as keyof typeof sizes]));
    return Number(new Function(`return ${script}`)());
  };

  it('is written in its right place by a wide build', async () => {
    const errors = await lastRows(true);
    expect(Math.max(...(errors as readonly number[]))).toBeLessThan(1e-6);
  });

  it('is not by one with 32 bits, so that the check can fail', async () => {
    expect(await lastRows(false)).toBe('fault'); // an illegal address, which the emulation finds
  });
});
