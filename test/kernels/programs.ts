// Small programs, one for each form of kernel, built by hand.

import {
  at,
  axis,
  call,
  defined,
  expm,
  given,
  integer,
  inverse,
  learned,
  map,
  program,
  read,
  readAt,
  real,
  reduce,
  scan,
  scatter,
  size,
  softmax,
  triangular,
} from '../../src/ir/build.ts';
import type { Axis, Definition, Program, Scalar, Tensor } from '../../src/ir/ir.ts';

const batch = (): Axis => axis('b', 'batch', 'batch');
const token = (): Axis => axis('t', 'tokens', 'token');
const input = (name: string, axes: readonly Axis[], type: 'real' | 'integer' = 'real'): Tensor =>
  given(name, axes, 'operand', type);
const weight = (name: string, axes: readonly Axis[]): Tensor =>
  learned(name, axes, { shared: false, trained: true, initial: real(0) });

function one(name: string, inputs: readonly Tensor[], definitions: readonly Definition[]): Program {
  return program({ name, inputs, definitions, results: { output: definitions.at(-1)!.tensor } });
}

/** Over [b, t, m], of a scalar at each point. */
function pointwise(name: string, body: (x: Scalar, y: Scalar) => Scalar): Program {
  const axes = [batch(), token(), axis('m', 5)];
  const [x, y] = [input('x', axes), input('y', axes)];
  return one(name, [x, y], [map(defined('output', axes), body(readAt(x), readAt(y)))]);
}

const plus = (a: Scalar, b: Scalar): Scalar => call('add', a, b);
const times = (a: Scalar, b: Scalar): Scalar => call('multiply', a, b);

export const gelu = (): Program => pointwise('gelu', (x) => call('gelu', x));

export const mixture = (): Program =>
  pointwise('mixture', (x, y) =>
    call('select', call('less', x, y), times(call('exp', x), y), call('atan2', x, plus(y, real(2)))),
  );

export function layerNorm(): Program {
  const axes = [batch(), token(), axis('m', 70, 'model')] as const;
  const [b, t, m] = axes;
  const x = input('x', axes);
  const gain = weight('gain', [axis('m', 70, 'model')]);
  const shift = weight('shift', [axis('m', 70, 'model')]);
  const total = reduce('sum', defined('total', [b, t]), [m], readAt(x));
  const mean = map(defined('mean', [b, t]), call('divide', readAt(total.tensor), real(70)));
  const centred = call('subtract', readAt(x), read(mean.tensor, [at(b), at(t)]));
  const squares = reduce('sum', defined('squares', [b, t]), [m], times(centred, centred));
  const spread = call('sqrt', plus(call('divide', readAt(squares.tensor), real(70)), real(1e-5)));
  const unit = call('divide', centred, spread);
  const output = map(defined('output', axes), plus(times(unit, read(gain, [at(m)])), read(shift, [at(m)])));
  return one('layer_norm', [x, gain, shift], [total, mean, squares, output]);
}

export function crossEntropy(): Program {
  const axes = [batch(), token(), axis('v', 67)] as const;
  const [b, t, v] = axes;
  const logits = input('logits', axes);
  const target = input('target', [b, t], 'integer');
  const largest = reduce('argmax', defined('largest', [b, t], 'integer'), [v], readAt(logits));
  const top = read(logits, [at(b), at(t), readAt(largest.tensor)], 0);
  const sum = reduce(
    'sum',
    defined('sum', [b, t]),
    [v],
    call('exp', call('subtract', readAt(logits), call('detach', top))),
  );
  const aim = read(logits, [at(b), at(t), readAt(target)], 0);
  const loss = map(
    defined('loss', [b, t]),
    call('subtract', plus(call('log', readAt(sum.tensor)), call('detach', top)), aim),
  );
  const total = reduce('sum', defined('total', []), [b, t], readAt(loss.tensor));
  const count = call('real', call('multiply', size('batch'), size('tokens')));
  const output = map(defined('output', []), call('divide', readAt(total.tensor), count));
  return one('cross_entropy', [logits, target], [largest, sum, loss, total, output]);
}

export function columnSums(): Program {
  const [b, t, m] = [batch(), token(), axis('m', 6)];
  const x = input('x', [b, t, m]);
  return one('column_sums', [x], [reduce('sum', defined('output', [m]), [b, t], times(readAt(x), readAt(x)))]);
}

export function sumOfAll(count: number): Program {
  const [row, column] = [axis('row', count), axis('column', 4)];
  const x = input('x', [row, column]);
  return one('sum_of_all', [x], [reduce('sum', defined('output', []), [row, column], times(readAt(x), readAt(x)))]);
}

export interface ScanKind {
  readonly reverse: boolean;
  readonly exclusive: boolean;
  readonly linear: boolean;
  readonly initial: 0 | 1;
}

export function recurrence(kind: ScanKind): Program {
  const axes = [batch(), token(), axis('h', 3)] as const;
  const [x, decay] = [input('x', axes), input('decay', axes)];
  const kept = map(defined('kept', axes), call('sigmoid', readAt(decay)));
  const { reverse, exclusive, linear, initial } = kind;
  const factor = linear ? readAt(kept.tensor) : real(1);
  const made = scan(defined('output', axes), { along: axes[1], reverse, exclusive, initial, factor, term: readAt(x) });
  return one('recurrence', [x, decay], linear ? [kept, made] : [made]);
}

/** A unit triangular system over the tokens: from the first row on or from the last, all rows or those after a column's own. */
export function triangularSystem(reverse: boolean, isPartial: boolean): Program {
  const axes = [batch(), token(), axis('j', 'keys', 'key-token')] as const;
  const [b, t, j] = axes;
  const other = axis('s', 'keys', 'key-token');
  const [x, w] = [input('x', [b, t, axis('j', 'keys', 'key-token')]), input('w', [b, t, other])];
  const made = triangular(defined('output', axes), {
    along: t,
    other,
    reverse,
    from: isPartial ? plus(at(j), integer(1)) : integer(0),
    factor: read(w, [at(b), at(t), at(other)]),
    term: readAt(x, axes),
  });
  return one(`triangular_${reverse ? 'upper' : 'lower'}${isPartial ? '_partial' : ''}`, [x, w], [made]);
}

export function products(): Program {
  const [b, t, m] = [batch(), token(), axis('m', 9)];
  const x = input('x', [b, t, m]);
  return one('products', [x], [reduce('prod', defined('output', [b, t]), [m], plus(readAt(x), real(1)))]);
}

/** A softmax in which some rows see nothing, and some the whole row. */
export function sparseSoftmax(): Program {
  const axes = [batch(), token(), axis('j', 'keys', 'key-token')] as const;
  const [b, t, j] = axes;
  const x = input('x', [b, t]);
  const y = input('y', [b, axis('j', 'keys', 'key-token')]);
  const score = times(read(x, [at(b), at(t)]), read(y, [at(b), at(j)]));
  const odd = call('equal', call('mod', plus(at(t), at(j)), integer(2)), integer(1));
  const where = call('and', call('less', at(j), at(t)), odd);
  return one('sparse_softmax', [x, y], [softmax(defined('output', axes), j, where, score)]);
}

/** A causal convolution: reads before the first token are 0. */
export function convolution(): Program {
  const [b, t, m, k] = [batch(), token(), axis('m', 4), axis('k', 3)];
  const x = input('x', [b, t, m]);
  const taps = weight('taps', [axis('k', 3), axis('m', 4)]);
  const shifted = read(x, [at(b), call('subtract', at(t), at(k)), at(m)], 0);
  const body = times(read(taps, [at(k), at(m)]), shifted);
  return one('convolution', [x, taps], [reduce('sum', defined('output', [b, t, m]), [k], body)]);
}

/** A read of an inlined definition outside of it. */
export function shiftedInline(): Program {
  const [b, t] = [batch(), token()];
  const x = input('x', [b, t]);
  const squared = map(defined('squared', [b, t]), times(readAt(x), readAt(x)));
  const before = read(squared.tensor, [at(b), call('subtract', at(t), integer(2))], 0.5);
  return one('shifted', [x], [squared, map(defined('output', [b, t]), call('subtract', readAt(x), before))]);
}

/** Learned biases by bucket, whose gradient is a scatter. */
export function buckets(): Program {
  const [b, t] = [batch(), token()];
  const x = input('x', [b, t]);
  const kind = input('kind', [b, t], 'integer');
  const table = weight('table', [axis('bucket', 3)]);
  const bias = read(table, [call('mod', readAt(kind), integer(3))], 0);
  return one('buckets', [x, table, kind], [map(defined('output', [b, t]), times(readAt(x), call('exp', bias)))]);
}

export function scattered(): Program {
  const [b, t] = [batch(), token()];
  const x = input('x', [b, t]);
  const kind = input('kind', [b, t], 'integer');
  const out = defined('output', [axis('bucket', 3)]);
  return one('scattered', [x, kind], [scatter(out, [b, t], [call('mod', readAt(kind), integer(3))], readAt(x))]);
}

/** A product with two summed axes, a batch axis, and a bias and gelu at its end. */
export function projection(): Program {
  const [b, t, h, d, m] = [batch(), token(), axis('h', 3), axis('d', 4), axis('m', 7)];
  const x = input('x', [b, t, h, d]);
  const w = weight('w', [axis('h', 3), axis('d', 4), axis('m', 7)]);
  const bias = weight('bias', [axis('m', 7)]);
  const body = times(times(real(0.5), readAt(x)), read(w, [at(h), at(d), at(m)]));
  const sum = reduce('sum', defined('sum', [b, t, m]), [h, d], body);
  const output = map(defined('output', [b, t, m]), call('gelu', plus(readAt(sum.tensor), read(bias, [at(m)]))));
  return one('projection', [x, w, bias], [sum, output]);
}

/** Exponentials of matrices of one size, of small and of large norm. */
export function exponentials(side: number): Program {
  const axes = [axis('n', 5), axis('r', side), axis('c', side)] as const;
  const [n] = axes;
  const x = input('x', axes);
  const scale = call('divide', plus(call('real', at(n)), real(0.1)), real(side / 3));
  const scaled = map(defined('scaled', axes), times(readAt(x), scale));
  return one('exponentials', [x], [scaled, expm(defined('output', axes), scaled.tensor)]);
}

/** Inverses of matrices with zeros on the diagonal mostly, so that each needs other rows as pivots. */
export function inverses(side: number): Program {
  const axes = [axis('n', 5), axis('r', side), axis('c', side)] as const;
  const [n, r, c] = axes.map(at) as [Scalar, Scalar, Scalar];
  const x = input('x', axes);
  const isLarge = call('equal', call('mod', call('add', r, call('add', n, integer(1))), integer(side)), c);
  const small = times(readAt(x, axes), real(0.5 / side));
  const matrix = map(defined('matrix', axes), call('select', isLarge, plus(small, real(2)), small));
  return one('inverses', [x], [matrix, inverse(defined('output', axes), matrix.tensor)]);
}

/** A product with tiles that are not full on any side, heads, and a bias at its end. */
export function largeProduct(columns = 37): Program {
  const [b, t, h, m] = [batch(), token(), axis('h', 2), axis('m', columns)];
  const k = axis('k', 19);
  const x = input('x', [b, t, h, axis('k', 19)]);
  const w = weight('w', [axis('h', 2), axis('m', columns), axis('k', 19)]);
  const bias = weight('bias', [axis('m', columns)]);
  const body = times(read(x, [at(b), at(t), at(h), at(k)]), read(w, [at(h), at(m), at(k)]));
  const sum = reduce('sum', defined('sum', [b, t, h, m]), [k], body);
  return one(
    'large_product',
    [x, w, bias],
    [sum, map(defined('output', [b, t, h, m]), plus(readAt(sum.tensor), read(bias, [at(m)])))],
  );
}

/** One for each kind of rule, and each way in which rules are joined. */
export const single: readonly (() => Program)[] = [
  gelu,
  mixture,
  layerNorm,
  crossEntropy,
  columnSums,
  () => sumOfAll(600),
  products,
  sparseSoftmax,
  convolution,
  shiftedInline,
  buckets,
  scattered,
  projection,
  () => triangularSystem(false, true),
  () => triangularSystem(true, false),
];

export const realInputs = (program: Program): string[] =>
  program.inputs.filter(({ type }) => type === 'real').map(({ name }) => name);
