// The adjoint of each rule of the IR: from the cotangent of what a definition makes to the cotangents of what it reads.
// Rotations, softmax and exponentials are differentiated through their output, so that it is all that has to be saved.

import type { Axis, Definition, Rule, Scalar, Tensor } from '../ir/ir.ts';
import { inside } from '../ir/ranges.ts';
import type { Context } from '../ir/ranges.ts';
import { alwaysFinite, at, call, integer, read, readAt, real } from '../ir/scalar.ts';
import { axesOf, freshAxes, likeAxis, readsOf, scalarMapper, substitute } from '../ir/visit.ts';
import { pullScalar } from './scalar.ts';
import type { Guarded } from './scalar.ts';
import { transpose } from './transpose.ts';

export interface Sweep {
  readonly context: Context;
  /** The tensor leads to one whose gradient is wanted. */
  readonly wants: (tensor: Tensor) => boolean;
  /** Defines something that the adjoint of the present definition needs on the way. */
  readonly emit: (name: string, axes: readonly Axis[], rule: Rule) => Tensor;
  /** Adds to the cotangent of a tensor a rule over the axes `to`. */
  readonly contribute: (tensor: Tensor, rule: (to: readonly Axis[]) => Rule) => void;
}

export type Of<K extends Definition['kind']> = Extract<Definition, { kind: K }>;

const times = (a: Scalar, b: Scalar): Scalar => call('multiply', a, b);
const minus = (a: Scalar, b: Scalar): Scalar => call('subtract', a, b);

/** Sends the cotangent of `body`, evaluated over `domain`, to everything that it reads. */
function pull(
  sweep: Sweep,
  body: Scalar,
  domain: readonly Axis[],
  cotangent: Guarded,
  made: Scalar | null = null,
): void {
  for (const pulled of pullScalar(body, cotangent, (r) => sweep.wants(r.tensor), made)) {
    sweep.contribute(pulled.read.tensor, (to) => transpose(pulled, domain, to, sweep.context));
  }
}

export const everywhere = (value: Scalar): Guarded => ({ value, guard: null });

/** Pulls the cotangent `dy` of what `d` makes. */
export function pullDefinition(d: Definition, dy: Tensor, sweep: Sweep): void {
  const { axes } = d.tensor;
  switch (d.kind) {
    case 'map':
      return pull(sweep, d.body, axes, everywhere(readAt(dy, axes)), readAt(d.tensor, axes));
    case 'reduce':
      if (d.op === 'sum') return pull(sweep, d.body, [...axes, ...d.over], everywhere(readAt(dy, axes)));
      return d.op === 'prod' ? pullProduct(d, dy, sweep) : undefined;
    case 'scan':
      return pullScan(d, dy, sweep);
    case 'triangular':
      return pullTriangular(d, dy, sweep);
    case 'scatter':
      return pull(sweep, d.body, d.over, everywhere(read(dy, d.index, 0)));
    case 'softmax':
      return pullSoftmax(d, dy, sweep);
    case 'rotate':
      return pullRotate(d, dy, sweep);
    case 'matrix':
      if (d.cotangent !== null) throw new Error(`'${d.tensor.name}': the adjoint of expm is not differentiated again`);
      if (d.function === 'inverse') return pullInverse(d, dy, sweep);
      return sweep.contribute(d.input, () => ({ kind: 'matrix', function: 'expm', input: d.input, cotangent: dy }));
    default:
      return d satisfies never;
  }
}

/** d(prod e) / d(e_n) is the product of what stands before n and what stands after it: right where some e are 0. */
function pullProduct(d: Of<'reduce'>, dy: Tensor, sweep: Sweep): void {
  const { axes, name } = d.tensor;
  const [along, ...inner] = d.over as [Axis, ...Axis[]];
  const domain = [...axes, along];
  const make = (suffix: string, rule: (own: readonly Axis[], by: ReadonlyMap<Axis, Scalar>) => Rule): Tensor => {
    const { axes: own, by } = freshAxes(domain);
    return sweep.emit(`${name}_${suffix}`, own, rule(own, by));
  };
  const factors = make('factors', (_, by) => {
    if (inner.length === 0) return { kind: 'map', body: substitute(d.body, by) };
    const fresh = freshAxes(inner);
    const body = substitute(d.body, new Map([...by, ...fresh.by]));
    return { kind: 'reduce', op: 'prod', over: fresh.axes, body };
  });
  const others = (reverse: boolean): Tensor =>
    make(reverse ? 'after' : 'before', (own) => ({
      kind: 'scan',
      along: own.at(-1)!,
      reverse,
      exclusive: true,
      factor: readAt(factors, own),
      term: real(0),
      initial: 1,
    }));
  const product = times(readAt(others(false), domain), readAt(others(true), domain));
  const cotangent = times(readAt(dy, axes), product);
  if (inner.length === 0) return pull(sweep, d.body, domain, everywhere(cotangent));
  const { axes: own, by } = freshAxes(domain);
  const next = sweep.emit(`d_${name}_factors`, own, { kind: 'map', body: substitute(cotangent, by) });
  const partial: Of<'reduce'> = { ...d, over: inner, tensor: factors };
  const renamed = scalarMapper((s) => {
    if (s.kind !== 'axis') return null;
    const n = domain.indexOf(s.axis);
    return n < 0 ? null : at(factors.axes[n]!);
  });
  pullProduct({ ...partial, body: renamed(d.body) }, next, sweep);
}

/** h[t] = a[t] h[t-1] + b[t]: g runs the other way with a[t+1]; db = g, da = g h[t-1]. */
function pullScan(d: Of<'scan'>, dy: Tensor, sweep: Sweep): void {
  const { axes } = d.tensor;
  const { carried, before } = reverseScan(d, dy, sweep, d.factor);
  pull(sweep, d.term, axes, everywhere(carried));
  pull(sweep, d.factor, axes, everywhere(times(carried, before)));
}

/** What arrives at each step from `dy` when `factor` carries it from a step to the one before; and h[t-1]. */
export function reverseScan(
  d: Of<'scan'>,
  dy: Tensor,
  sweep: Sweep,
  factor: Scalar,
): { readonly carried: Scalar; readonly before: Scalar } {
  const { axes, name } = d.tensor;
  const step = d.reverse ? -1 : 1;
  const { axes: own, by } = freshAxes(axes);
  const along = own[axes.indexOf(d.along)]!;
  const moved = (by_: ReadonlyMap<Axis, Scalar>): Map<Axis, Scalar> =>
    new Map([...by_, [d.along, call('add', at(along), integer(step))]]);
  const next = moved(by);
  const term = d.exclusive
    ? read(
        dy,
        axes.map((axis) => next.get(axis)!),
        0,
      )
    : readAt(dy, own);
  const g = sweep.emit(`d_${name}_carry`, own, {
    kind: 'scan',
    along,
    reverse: !d.reverse,
    exclusive: false,
    // Beyond the last step the factor meets a zero: any finite number will do.
    factor: guardOutside(substitute(factor, next), sweep.context),
    term,
    initial: 0,
  });
  const before = d.exclusive
    ? readAt(d.tensor, axes)
    : read(
        d.tensor,
        axes.map((axis) => (axis === d.along ? call('add', at(axis), integer(-step)) : at(axis))),
        d.initial,
      );
  return { carried: readAt(g, axes), before };
}

/**
 * h[t] = b[t] + sum[s < t](a[t, s] h[s]): g is the transposed system, from the other end; db = g, and da[t, s] = g[t] h[s]
 * below the diagonal.
 */
function pullTriangular(d: Of<'triangular'>, dy: Tensor, sweep: Sweep): void {
  const g = reverseTriangular(d, dy, sweep);
  pull(sweep, d.term, d.tensor.axes, everywhere(readAt(g, d.tensor.axes)));
  if (!readsOf(d.factor).some((r) => sweep.wants(r.tensor))) return;
  const { domain, arriving } = slopeOfFactor(d, g, sweep);
  pull(sweep, d.factor, domain, arriving);
}

/** What arrives at every row from the rows it is part of, with this factor in place of the system's own. */
export function reverseTriangular(d: Of<'triangular'>, dy: Tensor, sweep: Sweep, factor = d.factor): Tensor {
  const { axes, name } = d.tensor;
  const { axes: own, by } = freshAxes(axes);
  const along = own[axes.indexOf(d.along)]!;
  const other = likeAxis(d.other);
  const transposed = new Map<Axis, Scalar>([...by, [d.along, at(other)], [d.other, at(along)]]);
  return sweep.emit(`d_${name}_solved`, own, {
    kind: 'triangular',
    along,
    other,
    reverse: !d.reverse,
    from: substitute(d.from, by),
    factor: guardOutside(substitute(factor, transposed), sweep.context),
    term: readAt(dy, own),
  });
}

/** g[t] h[s] for each factor, summed over the axes that factors do not have. */
export function slopeOfFactor(
  d: Of<'triangular'>,
  g: Tensor,
  sweep: Sweep,
): { readonly domain: readonly Axis[]; readonly arriving: Guarded } {
  const { axes, name } = d.tensor;
  const used = new Set([...axesOf(d.factor), d.along, d.other]);
  const domain = [...axes, d.other].filter((axis) => used.has(axis));
  const own = freshAxes(domain);
  const over = freshAxes(axes.filter((axis) => !used.has(axis)));
  const now = new Map([...own.by, ...over.by]);
  const index = (along: Axis): Scalar[] => axes.map((axis) => now.get(axis === d.along ? along : axis)!);
  const body = times(read(g, index(d.along)), read(d.tensor, index(d.other)));
  const rule: Rule =
    over.axes.length === 0 ? { kind: 'map', body } : { kind: 'reduce', op: 'sum', over: over.axes, body };
  const outer = sweep.emit(`d_${name}_outer`, own.axes, rule);
  const [earlier, later] = d.reverse ? [at(d.along), at(d.other)] : [at(d.other), at(d.along)];
  return { domain, arriving: { value: readAt(outer, domain), guard: call('less', earlier, later) } };
}

/** Reads that are not proved inside their tensor are 0 outside it. */
function guardOutside(s: Scalar, context: Context): Scalar {
  return scalarMapper((node) =>
    node.kind === 'read' && node.outside === null && !inside(node, context) ? read(node.tensor, node.index, 0) : null,
  )(s);
}

function pullSoftmax(d: Of<'softmax'>, dy: Tensor, sweep: Sweep): void {
  pull(sweep, d.body, d.tensor.axes, softmaxSlope(d, dy, sweep));
}

/** ds = p (dp - sum[over](p dp)), from the probabilities alone: the cotangent of a softmax's body. */
export function softmaxSlope(d: Of<'softmax'>, dy: Tensor, sweep: Sweep): Guarded {
  const { axes, name } = d.tensor;
  const row = freshAxes(axes.filter((axis) => axis !== d.over));
  const over = likeAxis(d.over);
  const inRow = new Map([...row.by, [d.over, at(over)]]);
  const weighted = substitute(times(readAt(d.tensor, axes), readAt(dy, axes)), inRow);
  const total = sweep.emit(`d_${name}_row`, row.axes, { kind: 'reduce', op: 'sum', over: [over], body: weighted });

  const { axes: own, by } = freshAxes(axes);
  const index = own.filter((_, n) => axes[n] !== d.over);
  const slope = times(readAt(d.tensor, own), minus(readAt(dy, own), readAt(total, index)));
  const logit = sweep.emit(`d_${name}_logit`, own, { kind: 'map', body: slope });
  // Where nothing is visible the slope is 0 already; a guard is needed only where the rest might not be finite there.
  const safe = alwaysFinite(d.body) && readsOf(d.body).every((r) => r.outside !== null || inside(r, sweep.context));
  const guard = safe || by.size === 0 ? null : d.where;
  return { value: readAt(logit, axes), guard };
}

/** dx = the cotangent turned back; dphase = <dy, J y> of each pair, y the rotated output (J a quarter turn). */
function pullRotate(d: Of<'rotate'>, dy: Tensor, sweep: Sweep): void {
  const { axes } = d.tensor;
  const outer = axes.slice(0, -1);
  if (sweep.wants(d.input)) {
    sweep.contribute(d.input, (to) => {
      const pair = likeAxis(d.pair);
      const by = new Map<Axis, Scalar>([...outer.map((axis, n) => [axis, at(to[n]!)] as const), [d.pair, at(pair)]]);
      const { layout, from } = d;
      return { kind: 'rotate', input: dy, phase: substitute(d.phase, by), pair, sign: -d.sign as 1 | -1, layout, from };
    });
  }
  const pairs = d.pair.extent as number;
  const p = at(d.pair);
  const first = d.layout === 'split' ? p : times(integer(2), p);
  const feature = (offset: number): Scalar[] => [...outer.map(at), call('add', first, integer(d.from + offset))];
  const second = d.layout === 'split' ? pairs : 1;
  const turned = minus(
    times(read(dy, feature(second)), read(d.tensor, feature(0))),
    times(read(dy, feature(0)), read(d.tensor, feature(second))),
  );
  const slope = d.sign === 1 ? turned : call('negate', turned);
  pull(sweep, d.phase, [...outer, d.pair], everywhere(slope));
}

/** dM = -R^T dR R^T, with R the inverse: two products, one after the other. */
function pullInverse(d: Of<'matrix'>, dy: Tensor, sweep: Sweep): void {
  const side = d.tensor.axes.at(-1)!;
  const product = (a: Tensor, b: Tensor, axes: readonly Axis[], transposed: 'left' | 'right'): Rule => {
    const [outer, [row, column]] = [axes.slice(0, -2).map(at), axes.slice(-2).map(at) as [Scalar, Scalar]];
    const k = likeAxis(side);
    const left = read(a, [...outer, ...(transposed === 'left' ? [at(k), row] : [row, at(k)])]);
    const right = read(b, [...outer, ...(transposed === 'right' ? [column, at(k)] : [at(k), column])]);
    const term = times(left, right);
    return { kind: 'reduce', op: 'sum', over: [k], body: transposed === 'right' ? call('negate', term) : term };
  };
  const { axes: own } = freshAxes(d.tensor.axes);
  const half = sweep.emit(`d_${d.tensor.name}_left`, own, product(d.tensor, dy, own, 'left'));
  sweep.contribute(d.input, (to) => product(half, d.tensor, to, 'right'));
}
