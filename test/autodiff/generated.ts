// Random programs for the tests of gradients and passes: a chain of steps, each of which makes a tensor [token, feature]
// from earlier ones through one kind of index or rule. Which kinds occurred is counted, so that a test can insist on all.

import {
  at,
  axis,
  call,
  defined,
  given,
  integer,
  learned,
  map,
  program,
  read,
  readAt,
  real,
  reduce,
  rotate,
  scan,
  softmax,
} from '../../src/ir/build.ts';
import type { Axis, Definition, Program, Scalar, Tensor } from '../../src/ir/ir.ts';

export const FEATURES = 6;
const OFFSETS = 9;

export const stepKinds = [
  'pointwise',
  'guard',
  'power',
  'shift-back',
  'shift-ahead',
  'div',
  'mod',
  'block',
  'swap-in-pairs',
  'interleave',
  'two-tokens',
  'two-tokens-clipped',
  'diagonal',
  'token-mod',
  'sum-tokens-causal',
  'sum-tokens-all',
  'product',
  'product-of-two-axes',
  'scan',
  'scan-reverse',
  'scan-exclusive',
  'scan-reverse-exclusive',
  'scan-factor',
  'scan-factor-reverse',
  'cumulative-product',
  'cumulative-product-inclusive',
  'sub-range',
  'shift-steep',
  'softmax',
  'maximum',
  'rotate-split',
  'rotate-interleaved',
] as const;
export type StepKind = (typeof stepKinds)[number];

const add = (a: Scalar, b: Scalar): Scalar => call('add', a, b);
const sub = (a: Scalar, b: Scalar): Scalar => call('subtract', a, b);
const mul = (a: Scalar, b: Scalar): Scalar => call('multiply', a, b);
/** Keeps values of the order of 1. */
const tame = (a: Scalar): Scalar => call('sin', a);

interface Build {
  readonly definitions: Definition[];
  readonly vector: Tensor; // [6]
  readonly offsets: Tensor; // [9]
  readonly square: Tensor; // [6, 6]
  /** An earlier tensor [token, feature]. */
  readonly pick: () => Tensor;
  readonly name: () => string;
}

const token = (): Axis => axis('t', 'tokens', 'token');
const feature = (n = FEATURES): Axis => axis('d', n, 'feature');

function define(build: Build, body: (t: Axis, d: Axis) => Scalar): Tensor {
  const [t, d] = [token(), feature()];
  const made = defined(build.name(), [t, d]);
  build.definitions.push(map(made, body(t, d)));
  return made;
}

const here = (x: Tensor, t: Axis, d: Axis): Scalar => readAt(x, [t, d]);

function makeScan(
  build: Build,
  options: { reverse?: boolean; exclusive?: boolean; factor?: boolean; product?: boolean },
): Tensor {
  const x = build.pick();
  const factors =
    options.factor === true || options.product === true ? define(build, (t, d) => tame(here(x, t, d))) : null;
  const source = build.pick();
  const [t, d] = [token(), feature()];
  const made = defined(build.name(), [t, d]);
  build.definitions.push(
    scan(made, {
      along: t,
      reverse: options.reverse ?? false,
      exclusive: options.exclusive ?? false,
      initial: options.product === true ? 1 : 0,
      ...(factors === null ? {} : { factor: here(factors, t, d) }),
      ...(options.product === true ? {} : { term: tame(mul(here(source, t, d), here(source, t, d))) }),
    }),
  );
  return made;
}

function reduced(
  build: Build,
  axes: readonly Axis[],
  over: readonly Axis[],
  body: Scalar,
  op: 'sum' | 'prod' = 'sum',
): Tensor {
  const made = defined(build.name(), axes);
  build.definitions.push(reduce(op, made, over, body));
  return made;
}

const steps: Readonly<Record<StepKind, (build: Build) => Tensor>> = {
  pointwise: (b) => {
    const [x, y] = [b.pick(), b.pick()];
    return define(b, (t, d) => add(tame(mul(here(x, t, d), here(y, t, d))), call('sigmoid', here(y, t, d))));
  },
  guard: (b) => {
    const x = b.pick();
    // Without the guard the branch not taken would be 0 * infinity.
    return define(b, (t, d) =>
      call(
        'select',
        call('less', integer(0), at(t)),
        call('divide', here(x, t, d), call('real', at(t))),
        mul(here(x, t, d), here(x, t, d)),
      ),
    );
  },
  power: (b) => {
    const x = b.pick();
    return define(b, (t, d) => call('power', call('sigmoid', here(x, t, d)), at(d)));
  },
  'shift-back': (b) => {
    const x = b.pick();
    return define(b, (t, d) => add(here(x, t, d), read(x, [sub(at(t), integer(1)), at(d)], 0)));
  },
  'shift-ahead': (b) => {
    const x = b.pick();
    return define(b, (t, d) => tame(mul(here(x, t, d), read(x, [add(at(t), integer(2)), at(d)], 1))));
  },
  div: (b) => {
    const x = b.pick();
    return define(b, (t, d) => mul(here(x, t, d), read(b.vector, [call('div', at(d), integer(2))])));
  },
  mod: (b) => {
    const x = b.pick();
    return define(b, (t, d) => add(here(x, t, d), read(x, [at(t), call('mod', at(d), integer(4))])));
  },
  block: (b) => {
    const x = b.pick();
    const [t, d, s] = [token(), feature(), axis('s', 3)];
    const start = mul(call('div', at(d), integer(3)), integer(3));
    const old = read(x, [at(t), add(start, at(s))]);
    return reduced(b, [t, d], [s], mul(read(b.square, [call('mod', at(d), integer(3)), at(s)]), old));
  },
  'swap-in-pairs': (b) => {
    const x = b.pick();
    const partner = (d: Axis): Scalar =>
      add(mul(integer(2), call('div', at(d), integer(2))), sub(integer(1), call('mod', at(d), integer(2))));
    return define(b, (t, d) => read(x, [at(t), partner(d)]));
  },
  interleave: (b) => {
    const x = b.pick();
    const [t, p] = [token(), axis('p', FEATURES / 2, 'pair')];
    const made = defined(b.name(), [t, p]);
    const twice = mul(integer(2), at(p));
    const body = mul(read(x, [at(t), twice]), read(x, [at(t), add(twice, integer(1))]));
    b.definitions.push(map(made, body));
    return define(b, (t2, d) => tame(read(made, [at(t2), call('div', at(d), integer(2))])));
  },
  'two-tokens': (b) => {
    const x = b.pick();
    const [t, d, j] = [token(), feature(), axis('j', 'keys', 'key-token')];
    const offset = add(sub(at(t), at(j)), integer(4));
    return reduced(b, [t, d], [j], mul(read(b.offsets, [offset], 0), read(x, [at(j), at(d)])));
  },
  'two-tokens-clipped': (b) => {
    const x = b.pick();
    const [t, d, j] = [token(), feature(), axis('j', 'keys', 'key-token')];
    const offset = call('min', call('max', sub(at(t), at(j)), integer(0)), integer(3));
    return reduced(b, [t, d], [j], mul(read(b.offsets, [offset]), tame(read(x, [at(j), at(d)]))));
  },
  diagonal: (b) => {
    const x = b.pick();
    return define(b, (t, d) => mul(here(x, t, d), read(b.square, [at(d), at(d)])));
  },
  'token-mod': (b) => {
    const x = b.pick();
    return define(b, (t, d) => add(here(x, t, d), read(b.vector, [call('mod', at(t), integer(3))])));
  },
  'sum-tokens-causal': (b) => {
    const x = b.pick();
    const [t, d, j] = [token(), feature(), axis('j', 'keys', 'key-token')];
    const body = mul(tame(here(x, t, d)), call('exp', tame(read(x, [at(j), at(d)]))));
    return reduced(b, [t, d], [j], call('select', call('less_equal', at(j), at(t)), body, real(0)));
  },
  'sum-tokens-all': (b) => {
    const x = b.pick();
    const [d, j] = [feature(), axis('j', 'keys', 'key-token')];
    const total = reduced(b, [d], [j], tame(read(x, [at(j), at(d)])));
    return define(b, (t, d2) => add(here(x, t, d2), read(total, [at(d2)])));
  },
  product: (b) => {
    const x = b.pick();
    const [t, d] = [token(), feature()];
    const body = call('select', call('equal', at(d), integer(2)), real(0), add(real(1), tame(here(x, t, d))));
    const row = reduced(b, [t], [d], body, 'prod');
    return define(b, (t2, d2) => mul(here(x, t2, d2), add(read(row, [at(t2)]), real(1))));
  },
  'product-of-two-axes': (b) => {
    const [d, c] = [feature(), feature()];
    const one = reduced(b, [], [d, c], add(real(1), mul(real(0.1), read(b.square, [at(d), at(c)]))), 'prod');
    const x = b.pick();
    return define(b, (t, d2) => mul(here(x, t, d2), read(one, [])));
  },
  scan: (b) => makeScan(b, {}),
  'scan-reverse': (b) => makeScan(b, { reverse: true }),
  'scan-exclusive': (b) => makeScan(b, { exclusive: true }),
  'scan-reverse-exclusive': (b) => makeScan(b, { reverse: true, exclusive: true }),
  'scan-factor': (b) => makeScan(b, { factor: true }),
  'scan-factor-reverse': (b) => makeScan(b, { factor: true, reverse: true, exclusive: true }),
  'cumulative-product': (b) => makeScan(b, { product: true, exclusive: true }),
  'cumulative-product-inclusive': (b) => makeScan(b, { product: true }),
  'sub-range': (b) => {
    const x = b.pick();
    const [t, n] = [token(), axis('n', 3)];
    const row = reduced(b, [t], [n], read(x, [at(t), add(at(n), integer(2))]));
    return define(b, (t2, d) => mul(here(x, t2, d), read(row, [at(t2)])));
  },
  'shift-steep': (b) => {
    const x = b.pick();
    return define(b, (t, d) => call('exp', tame(read(x, [add(at(t), integer(1)), at(d)], 0))));
  },
  softmax: (b) => {
    const x = b.pick();
    const [t, j] = [token(), axis('j', 'keys', 'key-token')];
    const weights = defined(b.name(), [t, j]);
    const body = add(read(x, [at(t), integer(0)]), mul(read(x, [at(j), integer(1)]), read(x, [at(t), integer(2)])));
    b.definitions.push(softmax(weights, j, call('less', at(j), at(t)), body)); // the first row sees nothing
    const [t2, d, j2] = [token(), feature(), axis('j', 'keys', 'key-token')];
    return reduced(b, [t2, d], [j2], mul(readAt(weights, [t2, j2]), read(x, [at(j2), at(d)])));
  },
  maximum: (b) => {
    const x = b.pick();
    const [t, d] = [token(), feature()];
    const place = defined(b.name(), [t], 'integer');
    b.definitions.push(reduce('argmax', place, [d], here(x, t, d)));
    return define(b, (t2, d2) => sub(here(x, t2, d2), read(x, [at(t2), read(place, [at(t2)])])));
  },
  'rotate-split': (b) => {
    const [x, y] = [b.pick(), b.pick()];
    const [t, d, p] = [token(), feature(), axis('p', 2, 'pair')];
    const made = defined(b.name(), [t, d]);
    b.definitions.push(rotate(made, { input: x, phase: here(y, t, p), pair: p, layout: 'split', from: 1 }));
    return made;
  },
  'rotate-interleaved': (b) => {
    const x = b.pick();
    const [t, d, p] = [token(), feature(), axis('p', 3, 'pair')];
    const made = defined(b.name(), [t, d]);
    const phase = mul(at(t), read(b.vector, [at(p)]));
    b.definitions.push(rotate(made, { input: x, phase, pair: p, sign: -1, layout: 'interleaved' }));
    return made;
  },
};

/** The program of some steps; `choices` picks operands. Its result is `y`, over [token, feature]. */
export function generate(kinds: readonly StepKind[], choices: readonly number[]): Program {
  const options = { shared: false, trained: true, initial: real(0) };
  const x = given('x', [token(), feature()], 'x');
  const z = given('z', [token(), feature()], 'query');
  const vector = learned('vector', [feature()], options);
  const offsets = learned('offsets', [axis('offset', OFFSETS)], options);
  const square = learned('square', [feature(), feature()], options);
  const definitions: Definition[] = [];
  const made: Tensor[] = [x, z];
  let used = 0;
  let named = 0;
  const build: Build = {
    definitions,
    vector,
    offsets,
    square,
    // Recent tensors more often, so that chains grow.
    pick: () => made[Math.max(0, made.length - 1 - (choices[used++ % choices.length]! % 3))]!,
    name: () => `v${named++}`,
  };
  for (const kind of kinds) made.push(steps[kind](build));
  return program({
    name: 'generated',
    inputs: [x, z, vector, offsets, square],
    definitions,
    results: { y: made.at(-1)! },
  });
}

/** Numbers of the order of 1 from a seed, the same everywhere. */
export function numbers(count: number, seed: number): Float64Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 13), 3266489917) >>> 0;
    return (mixed / 2 ** 32) * 2 - 1;
  });
}

/** How many numbers a tensor has. */
export const lengthOf = (tensor: Tensor, tokens: number, batch = 1): number =>
  tensor.axes.reduce(
    (n, { extent }) => n * (typeof extent === 'number' ? extent : extent === 'batch' ? batch : tokens),
    1,
  );
