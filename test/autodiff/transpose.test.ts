// What a read sends back, kind of index by kind of index, as text: a comprehension wherever the index can be solved.

import { describe, expect, it } from 'vitest';
import { reverse } from '../../src/autodiff/reverse.ts';
import { at, axis, call, defined, given, integer, map, program, read, readAt, reduce } from '../../src/ir/build.ts';
import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import { printDefinition } from '../../src/ir/print.ts';

const t = (): Axis => axis('t', 'tokens', 'token');
const d = (n = 12): Axis => axis('d', n, 'feature');
const div = (a: Scalar, g: number): Scalar => call('div', a, integer(g));
const mod = (a: Scalar, g: number): Scalar => call('mod', a, integer(g));
const plus = (a: Scalar, b: Scalar | number): Scalar => call('add', a, typeof b === 'number' ? integer(b) : b);
const minus = (a: Scalar, b: Scalar | number): Scalar => call('subtract', a, typeof b === 'number' ? integer(b) : b);
const times = (n: number, a: Scalar): Scalar => call('multiply', integer(n), a);

/** The definitions of d_x for y = `make`. */
function back(x: Tensor, make: (t: Axis, d: Axis) => Scalar, features = 12, over: readonly Axis[] = []): string[] {
  const own = [t(), d(features)] as const;
  const y = defined('y', own);
  const body = make(...own);
  const definition: Definition = over.length === 0 ? map(y, body) : reduce('sum', y, over, body);
  const p = program({ name: 'p', inputs: [x], definitions: [definition], results: { y } });
  const made = reverse(p, new Map([[y, given('dy', y.axes, 'cotangent')]]), [x]);
  return made.definitions.slice(1).map(printDefinition);
}

const x = given('x', [t(), d()], 'x');
const vector = (n: number): Tensor => given('x', [axis('n', n)], 'user');
const [v4, v5, v9, v12] = [vector(4), vector(5), vector(9), vector(12)];
const blocks = given('x', [t(), axis('n', 3)], 'x');
const n3 = axis('n', 3);
const s4 = axis('s', 4);
const j = axis('j', 'keys', 'key-token');

describe('the transpose of a read at', () => {
  it.each<[string, string[], string[]]>([
    ['its own axes', back(x, (a, b) => readAt(x, [a, b])), ['d_x[t: tokens, d: 12] = dy[t, d]']],
    ['fewer axes is a sum', back(v12, (_, b) => read(v12, [at(b)])), ['d_x[n: 12] = sum[t: tokens](dy[t, n])']],
    [
      'the token before is a read of the token after',
      back(x, (a, b) => read(x, [minus(at(a), 1), at(b)], 0)),
      ['d_x[t: tokens, d: 12] = dy[t + 1, d else 0]'],
    ],
    [
      'reversed features is the same',
      back(x, (a, b) => read(x, [at(a), minus(integer(11), at(b))])),
      ['d_x[t: tokens, d: 12] = dy[t, 11 - d]'],
    ],
    [
      'd div 4 is a sum over the block',
      back(blocks, (a, b) => read(blocks, [at(a), div(at(b), 4)])),
      ['d_x[t: tokens, n: 3] = sum[within: 4](dy[t, 4 * n + within])'],
    ],
    [
      'd mod 4 is a sum over the blocks',
      back(v4, (_, b) => read(v4, [mod(at(b), 4)])),
      ['d_x[n: 4] = sum[t: tokens, round: 3](dy[t, n + 4 * round])'],
    ],
    [
      'every other feature has a condition',
      back(x, (a, b) => read(x, [at(a), times(2, at(b))]), 6),
      ['d_x[t: tokens, d: 12] = if d mod 2 == 0 then dy[t, d div 2] else 0'],
    ],
    [
      'block and offset is div and mod',
      back(x, (a) => read(x, [at(a), plus(times(4, at(n3)), at(s4))]), 1, [n3, s4]),
      ['d_x[t: tokens, d: 12] = dy[t, 0]'],
    ],
    [
      'features from 3 has a range',
      back(x, (a, b) => read(x, [at(a), plus(at(b), 3)]), 5),
      ['d_x[t: tokens, d: 12] = dy[t, d - 3 else 0]'],
    ],
    [
      'a distance of two tokens is a sum along the diagonal',
      back(v9, (a) => read(v9, [plus(minus(at(a), at(j)), 4)], 0), 1, [j]),
      ['d_x[n: 9] = sum[j: keys](dy[n + j - 4, 0 else 0])'],
    ],
    [
      'a clipped distance is a scatter',
      back(v5, (a) => read(v5, [call('min', call('max', minus(at(a), at(j)), integer(0)), integer(4))]), 1, [j]),
      ['d_x[n: 5] = scatter[t: tokens, d: 1, j: keys]([min(max(t - j, 0), 4)] += dy[t, d])'],
    ],
    [
      'a constant is a condition',
      back(x, (a) => read(x, [at(a), integer(7)]), 1),
      ['d_x[t: tokens, d: 12] = if d == 7 then dy[t, 0] else 0'],
    ],
  ])('%s', (_, found, expected) => expect(found).toEqual(expected));
});
