// The encodings of test/fixtures/vectors as programs, written by hand from the papers' formulas, each composed with
// causal attention. What comes out has the names that the vectors use.

import {
  at,
  axis,
  call,
  defined,
  expm,
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

export interface Geometry {
  readonly heads: number;
  readonly kvHeads: number;
  readonly dim: number;
  readonly model: number;
  readonly context: number;
}

const add = (a: Scalar, ...more: Scalar[]): Scalar => more.reduce((sum, b) => call('add', sum, b), a);
const sub = (a: Scalar, b: Scalar): Scalar => call('subtract', a, b);
const mul = (a: Scalar, ...more: Scalar[]): Scalar => more.reduce((product, b) => call('multiply', product, b), a);
const div = (a: Scalar, b: Scalar): Scalar => call('divide', a, b);
const idiv = (a: Scalar, b: number): Scalar => call('div', a, integer(b));
const imod = (a: Scalar, b: number): Scalar => call('mod', a, integer(b));

export const axes = (g: Geometry) => ({
  batch: () => axis('batch', 'batch', 'batch'),
  token: () => axis('token', 'tokens', 'token'),
  keys: () => axis('key', 'keys', 'key-token'),
  head: () => axis('head', g.heads, 'head'),
  kvHead: () => axis('kv_head', g.kvHeads, 'kv-head'),
  dim: () => axis('dim', g.dim, 'feature'),
  pair: (n = g.dim / 2) => axis('pair', n, 'pair'),
  model: () => axis('model', g.model, 'model'),
});

export const standardInputs = (g: Geometry) => {
  const a = axes(g);
  return {
    x: given('x', [a.batch(), a.token(), a.model()], 'x'),
    query: given('query', [a.batch(), a.token(), a.head(), a.dim()], 'query'),
    key: given('key', [a.batch(), a.token(), a.kvHead(), a.dim()], 'key'),
    value: given('value', [a.batch(), a.token(), a.kvHead(), a.dim()], 'value'),
  };
};

export interface Point {
  readonly b: Axis;
  readonly h: Axis;
  readonly i: Axis;
  readonly j: Axis;
}

export interface Hooks {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  /** Added to the scaled score; may be more definitions over a point's axes. */
  readonly term?: (p: Point) => Scalar;
  readonly factor?: (p: Point) => Scalar;
  readonly more?: (attention: Tensor) => readonly { body: (b: Axis, i: Axis, h: Axis, d: Axis, j: Axis) => Scalar }[];
}

/** Causal attention; results `output` and `score` (scaled, 0 where hidden). */
export function attention(g: Geometry, hooks: Hooks): { definitions: Definition[]; results: Record<string, Tensor> } {
  const a = axes(g);
  const point = (): Point => ({ b: a.batch(), h: a.head(), i: a.token(), j: a.keys() });
  const list = (p: Point): Axis[] => [p.b, p.h, p.i, p.j];
  const group = g.heads / g.kvHeads;
  const definitions: Definition[] = [];

  const p1 = point();
  const d1 = a.dim();
  const dot = defined('dot', list(p1));
  const keyRead = read(hooks.key, [at(p1.b), at(p1.j), idiv(at(p1.h), group), at(d1)]);
  const product = mul(read(hooks.query, [at(p1.b), at(p1.i), at(p1.h), at(d1)]), keyRead);
  definitions.push(reduce('sum', dot, [d1], product));

  const scaled = (p: Point): Scalar => {
    const s = mul(readAt(dot, list(p)), real(g.dim ** -0.5));
    return hooks.term === undefined ? s : add(s, hooks.term(p));
  };
  const p2 = point();
  const score = defined('score', list(p2));
  const causal = (p: Point): Scalar => call('less_equal', at(p.j), at(p.i));
  definitions.push(map(score, call('select', causal(p2), scaled(p2), real(0))));

  const p3 = point();
  const weights = defined('attention', list(p3));
  definitions.push(softmax(weights, p3.j, causal(p3), scaled(p3)));

  let last = weights;
  if (hooks.factor !== undefined) {
    const p4 = point();
    last = defined('attention_scaled', list(p4));
    definitions.push(map(last, mul(readAt(weights, list(p4)), hooks.factor(p4))));
  }
  const [b, i, h, d, j] = [a.batch(), a.token(), a.head(), a.dim(), a.keys()];
  const output = defined('output', [b, i, h, d]);
  const weight = read(last, [at(b), at(h), at(i), at(j)]);
  let mixed = read(hooks.value, [at(b), at(j), idiv(at(h), group), at(d)]);
  for (const { body } of hooks.more?.(last) ?? []) mixed = add(mixed, body(b, i, h, d, j));
  definitions.push(reduce('sum', output, [j], mul(weight, mixed)));
  return { definitions, results: { output, score, attention: weights } };
}

const param = (name: string, over: readonly Axis[]): Tensor =>
  learned(name, over, { shared: false, trained: true, initial: real(0) });

type Builder = (g: Geometry) => Program;

function finish(
  name: string,
  inputs: readonly Tensor[],
  before: readonly Definition[],
  g: Geometry,
  hooks: Hooks,
): Program {
  const { definitions, results } = attention(g, hooks);
  const encoded = { query_encoded: hooks.query, key_encoded: hooks.key };
  return program({ name, inputs, definitions: [...before, ...definitions], results: { ...results, ...encoded } });
}

interface RotaryOptions {
  readonly layout?: 'split' | 'interleaved';
  readonly width?: number; // features that turn
  readonly phase: (t: Axis, h: Scalar, p: Axis, b: Axis) => Scalar; // h: a key head
}

/** Rotated query and key; the phase of key head n is that of query head n * group. */
function rotary(g: Geometry, query: Tensor, key: Tensor, options: RotaryOptions): Definition[] {
  const a = axes(g);
  const { layout = 'split', width = g.dim, phase } = options;
  return [query, key].map((input) => {
    const head = input === query ? a.head() : a.kvHead();
    const [b, t, d, p] = [a.batch(), a.token(), a.dim(), a.pair(width / 2)];
    const made = defined(`${input.name}_encoded`, [b, t, head, d]);
    const kvHead = input === query ? idiv(at(head), g.heads / g.kvHeads) : at(head);
    return rotate(made, { input, phase: phase(t, kvHead, p, b), pair: p, layout });
  });
}

const angle = (t: Axis, p: Axis, width: number): Scalar =>
  mul(at(t), call('power', real(10000), div(mul(real(-2), at(p)), real(width))));

const rope =
  (layout: 'split' | 'interleaved', share = 1): Builder =>
  (g) => {
    const { x, query, key, value } = standardInputs(g);
    const width = g.dim * share;
    const turned = rotary(g, query, key, { layout, width, phase: (t, _h, p) => angle(t, p, width) });
    const [q, k] = turned.map((d) => d.tensor) as [Tensor, Tensor];
    return finish('rope', [x, query, key, value], turned, g, { query: q, key: k, value });
  };

const learnedFrequencies: Builder = (g) => {
  const a = axes(g);
  const { x, query, key, value } = standardInputs(g);
  const theta = param('theta', [a.kvHead(), a.pair()]);
  const phase = (t: Axis, h: Scalar, p: Axis): Scalar => mul(at(t), read(theta, [h, at(p)]));
  const turned = rotary(g, query, key, { phase });
  const [q, k] = turned.map((d) => d.tensor) as [Tensor, Tensor];
  return finish('rope_learned', [x, query, key, value, theta], turned, g, { query: q, key: k, value });
};

/** z[b, t, h] = sum[m](x W), and more added. */
function projection(g: Geometry, x: Tensor, W: Tensor, name: string): Definition {
  const a = axes(g);
  const [b, t, h, m] = [a.batch(), a.token(), a.kvHead(), a.model()];
  const body = mul(read(x, [at(b), at(t), at(m)]), read(W, [at(m), at(h)]));
  return reduce('sum', defined(name, [b, t, h]), [m], body);
}

const carope =
  (biased: boolean): Builder =>
  (g) => {
    const a = axes(g);
    const { x, query, key, value } = standardInputs(g);
    const W = param('W', [a.model(), a.kvHead()]);
    const bias = param('b', [a.kvHead()]);
    const z = projection(g, x, W, 'z');
    const [b, t, h] = [a.batch(), a.token(), a.kvHead()];
    const logit = readAt(z.tensor, [b, t, h]);
    const moved = biased ? add(logit, readAt(bias, [h])) : logit;
    const f = map(defined('f', [b, t, h]), div(real(1), add(call('softplus', moved), real(1))));
    const [b2, t2, h2, p2] = [a.batch(), a.token(), a.kvHead(), a.pair()];
    const phase = scan(defined('phase', [b2, t2, h2, p2]), {
      along: t2,
      term: call('power', readAt(f.tensor, [b2, t2, h2]), at(p2)),
    });
    const at4 = (t3: Axis, h3: Scalar, p3: Axis, b3: Axis): Scalar => read(phase.tensor, [at(b3), at(t3), h3, at(p3)]);
    const turned = rotary(g, query, key, { phase: at4 });
    const [q, k] = turned.map((d) => d.tensor) as [Tensor, Tensor];
    const inputs = [x, query, key, value, W, ...(biased ? [bias] : [])];
    const made = finish('carope', inputs, [z, f, phase, ...turned], g, { query: q, key: k, value });
    return program({ ...made, results: new Map([...made.results, ['phase', phase.tensor]]) });
  };

/** Block n of the features is multiplied by expm of `matrix(t, h, n, r, c)`. */
function blocks(
  g: Geometry,
  size: number,
  query: Tensor,
  key: Tensor,
  matrix: (t: Axis, h: Axis, n: Axis, r: Axis, c: Axis) => Scalar,
): Definition[] {
  const a = axes(g);
  const make = (): [Axis, Axis, Axis, Axis, Axis] => [
    a.token(),
    a.kvHead(),
    axis('place', g.dim / size),
    axis('row', size),
    axis('column', size),
  ];
  const own = make();
  const M = map(defined('M', own), matrix(...own));
  const R = expm(defined('R', make()), M.tensor);
  const encoded = [query, key].map((input) => {
    const [b, t, h, d, s] = [
      a.batch(),
      a.token(),
      input === query ? a.head() : a.kvHead(),
      a.dim(),
      axis('side', size),
    ];
    const block = idiv(at(d), size);
    const old = read(input, [at(b), at(t), at(h), add(mul(block, integer(size)), at(s))]);
    const kvHead = input === query ? idiv(at(h), g.heads / g.kvHeads) : at(h);
    const entry = read(R.tensor, [at(t), kvHead, block, imod(at(d), size), at(s)]);
    return reduce('sum', defined(`${input.name}_encoded`, [b, t, h, d]), [s], mul(entry, old));
  });
  return [M, R, ...encoded];
}

const skew = (P: Tensor, h: Axis, n: Axis, r: Axis, c: Axis): Scalar =>
  sub(readAt(P, [h, n, r, c]), readAt(P, [h, n, c, r]));

const comrope =
  (kind: 'ap' | 'ld' | 'ld_1d'): Builder =>
  (g) => {
    const a = axes(g);
    const size = kind === 'ld_1d' ? 8 : 4;
    const { x, query, key, value } = standardInputs(g);
    const [n0, r0, c0] = [axis('place', g.dim / size), axis('row', size), axis('column', size)];
    const P = param('P', [a.kvHead(), n0, r0, c0]);
    const coordinates = given('coordinates', [a.token(), axis('coordinate', 2)], 'position');
    const before: Definition[] = [];
    const inputs = [x, query, key, value, P];
    let speed: (t: Axis, h: Axis, n: Axis) => Scalar;
    if (kind === 'ap') {
      inputs.push(coordinates);
      speed = (t, _h, n) => read(coordinates, [at(t), imod(at(n), 2)]);
    } else if (kind === 'ld') {
      const theta = param('theta', [a.kvHead(), axis('place', g.dim / size), axis('coordinate', 2)]);
      inputs.push(coordinates, theta);
      const [t1, h1, n1, k1] = [a.token(), a.kvHead(), axis('place', g.dim / size), axis('coordinate', 2)];
      const body = mul(readAt(coordinates, [t1, k1]), readAt(theta, [h1, n1, k1]));
      const sum = reduce('sum', defined('speed', [t1, h1, n1]), [k1], body);
      before.push(sum);
      speed = (t, h, n) => readAt(sum.tensor, [t, h, n]);
    } else {
      const theta = param('theta', [a.kvHead(), axis('place', g.dim / size)]);
      inputs.push(theta);
      speed = (t, h, n) => mul(div(at(t), real(g.context)), readAt(theta, [h, n]));
    }
    const matrix = (t: Axis, h: Axis, n: Axis, r: Axis, c: Axis): Scalar => mul(speed(t, h, n), skew(P, h, n, r, c));
    const turned = blocks(g, size, query, key, matrix);
    const [q, k] = turned.slice(-2).map((d) => d.tensor) as [Tensor, Tensor];
    return finish('comrope', inputs, [...before, ...turned], g, { query: q, key: k, value });
  };

const offset = (p: Point): Scalar => sub(at(p.i), at(p.j));

const alibi: Builder = (g) => {
  const { x, query, key, value } = standardInputs(g);
  const term = (p: Point): Scalar => {
    const exponent = div(mul(real(-8), add(at(p.h), integer(1))), real(g.heads));
    return call('negate', mul(call('power', real(2), exponent), offset(p)));
  };
  return finish('alibi', [x, query, key, value], [], g, { query, key, value, term });
};

const t5: Builder = (g) => {
  const { x, query, key, value } = standardInputs(g);
  const table = param('table', [axis('bucket', 8), axes(g).head()]);
  const bucket = (p: Point): Scalar => {
    const n = call('max', offset(p), integer(0));
    const ratio = call('log', div(call('max', n, integer(1)), real(4)));
    const far = add(integer(4), call('floor', mul(div(ratio, real(Math.log(16 / 4))), real(4))));
    const place = call('select', call('less', n, integer(4)), n, far);
    return call('min', call('max', place, integer(0)), integer(7));
  };
  const term = (p: Point): Scalar => read(table, [bucket(p), at(p.h)]);
  return finish('t5', [x, query, key, value, table], [], g, { query, key, value, term });
};

const urpe: Builder = (g) => {
  const { x, query, key, value } = standardInputs(g);
  const c = param('c', [axis('offset', 2 * g.context - 1), axes(g).head()]);
  const factor = (p: Point): Scalar => read(c, [add(offset(p), integer(g.context - 1)), at(p.h)], 0);
  return finish('urpe', [x, query, key, value, c], [], g, { query, key, value, factor });
};

const fox: Builder = (g) => {
  const a = axes(g);
  const { x, query, key, value } = standardInputs(g);
  const w = param('w', [a.model(), a.kvHead()]);
  const bias = param('b', [a.kvHead()]);
  const z = projection(g, x, w, 'z');
  const [b, t, h] = [a.batch(), a.token(), a.kvHead()];
  const gate = scan(defined('g', [b, t, h]), {
    along: t,
    term: call('log_sigmoid', add(readAt(z.tensor, [b, t, h]), readAt(bias, [h]))),
  });
  const term = (p: Point): Scalar => sub(readAt(gate.tensor, [p.b, p.i, p.h]), readAt(gate.tensor, [p.b, p.j, p.h]));
  return finish('fox', [x, query, key, value, w, bias], [z, gate], g, { query, key, value, term });
};

const shaw: Builder = (g) => {
  const a = axes(g);
  const { x, query, key, value } = standardInputs(g);
  const rk = param('rk', [axis('offset', 5), a.dim()]);
  const rv = param('rv', [axis('offset', 5), a.dim()]);
  const clip = (i: Axis, j: Axis): Scalar => call('min', call('max', sub(at(i), at(j)), integer(0)), integer(4));
  const p1: Point = { b: a.batch(), h: a.head(), i: a.token(), j: a.keys() };
  const d = a.dim();
  const list = [p1.b, p1.h, p1.i, p1.j];
  const dotted = mul(read(query, [at(p1.b), at(p1.i), at(p1.h), at(d)]), read(rk, [clip(p1.i, p1.j), at(d)]));
  const near = reduce('sum', defined('near', list), [d], dotted);
  const term = (p: Point): Scalar => mul(readAt(near.tensor, [p.b, p.h, p.i, p.j]), real(g.dim ** -0.5));
  return finish('shaw', [x, query, key, value, rk, rv], [near], g, {
    query,
    key,
    value,
    term,
    more: () => [{ body: (_b, i, _h, d2, j) => read(rv, [clip(i, j), at(d2)]) }],
  });
};

/** By the name of the vector. `path` is compiled from its text (test/verify). */
export const vectorPrograms: Readonly<Record<string, Builder>> = {
  rope_split: rope('split'),
  rope_interleaved: rope('interleaved'),
  rope_partial: rope('split', 0.5),
  rope_learned_frequencies: learnedFrequencies,
  carope: carope(false),
  carope_bias: carope(true),
  comrope_ap: comrope('ap'),
  comrope_ld: comrope('ld'),
  comrope_ld_1d: comrope('ld_1d'),
  alibi,
  t5,
  urpe,
  fox,
  shaw,
};
