// Walks over scalars and definitions: children, reads, axes, rebuilding, substitution. Every walk visits a shared
// node once; what comes back is built by the checked constructors and shares what did not change.

import type { Axis, Definition, Scalar, Tensor } from './ir.ts';
import { at, call, read } from './scalar.ts';

const nothing: readonly Scalar[] = Object.freeze([]);

/** The scalars that a scalar is made of: indices of a read, arguments of a call. */
export function children(s: Scalar): readonly Scalar[] {
  switch (s.kind) {
    case 'constant':
    case 'size':
    case 'axis':
      return nothing;
    case 'read':
      return s.index;
    case 'call':
      return s.args;
    default:
      return s satisfies never;
  }
}

/** Calls `see` once for every distinct node, arguments first. */
export function visit(roots: Scalar | readonly Scalar[], see: (s: Scalar) => void): void {
  const seen = new Set<Scalar>();
  const enter = (s: Scalar): void => {
    if (seen.has(s)) return;
    seen.add(s);
    children(s).forEach(enter);
    see(s);
  };
  if ('kind' in roots) enter(roots);
  else roots.forEach(enter);
}

export type Read = Extract<Scalar, { kind: 'read' }>;

/** The distinct reads in a scalar, arguments first: a read inside the index of another comes before it. */
export function readsOf(roots: Scalar | readonly Scalar[]): Read[] {
  const found: Read[] = [];
  visit(roots, (s) => {
    if (s.kind === 'read') found.push(s);
  });
  return found;
}

/** The axes whose index a scalar uses. */
export function axesOf(roots: Scalar | readonly Scalar[]): Set<Axis> {
  const found = new Set<Axis>();
  visit(roots, (s) => {
    if (s.kind === 'axis') found.add(s.axis);
  });
  return found;
}

/** The same scalar over new children; folded again where that is possible. */
function rebuild(s: Scalar, kids: readonly Scalar[]): Scalar {
  const old = children(s);
  if (kids.every((kid, n) => kid === old[n])) return s;
  if (s.kind === 'read') return read(s.tensor, kids, s.outside);
  if (s.kind === 'call') return call(s.op, ...kids);
  return s;
}

/** Rebuilds bottom-up: `change` sees each node with its children already changed; null keeps it. */
export function mapScalar(root: Scalar, change: (s: Scalar) => Scalar | null): Scalar {
  return scalarMapper(change)(root);
}

/** As mapScalar, for several scalars that share nodes. */
export function scalarMapper(change: (s: Scalar) => Scalar | null): (root: Scalar) => Scalar {
  const done = new Map<Scalar, Scalar>();
  const enter = (s: Scalar): Scalar => {
    const known = done.get(s);
    if (known !== undefined) return known;
    const rebuilt = rebuild(s, children(s).map(enter));
    const result = change(rebuilt) ?? rebuilt;
    done.set(s, result);
    return result;
  };
  return enter;
}

/** Replaces indices by scalars, all at once. */
export function substitute(root: Scalar, by: ReadonlyMap<Axis, Scalar>): Scalar {
  if (by.size === 0) return root;
  return mapScalar(root, (s) => (s.kind === 'axis' ? (by.get(s.axis) ?? null) : null));
}

/** Replaces tensors by others of the same rank. */
export function replaceTensors(root: Scalar, by: ReadonlyMap<Tensor, Tensor>): Scalar {
  if (by.size === 0) return root;
  return mapScalar(root, (s) => {
    const other = s.kind === 'read' ? by.get(s.tensor) : undefined;
    return s.kind === 'read' && other !== undefined ? read(other, s.index, s.outside) : null;
  });
}

/** The scalars of a definition's rule. */
export function scalarsOf(d: Definition): readonly Scalar[] {
  switch (d.kind) {
    case 'map':
    case 'reduce':
      return [d.body];
    case 'scan':
      return [d.factor, d.term];
    case 'triangular':
      return [d.from, d.factor, d.term];
    case 'scatter':
      return [...d.index, d.body];
    case 'softmax':
      return [d.where, d.body];
    case 'rotate':
      return [d.phase];
    case 'matrix':
      return nothing;
    default:
      return d satisfies never;
  }
}

/** Tensors that a definition takes whole, not by a read at an index. */
export function operandsOf(d: Definition): readonly Tensor[] {
  if (d.kind === 'rotate') return [d.input];
  if (d.kind === 'matrix') return d.cotangent === null ? [d.input] : [d.input, d.cotangent];
  return [];
}

/** Every tensor that a definition reads. */
export function tensorsOf(d: Definition): Set<Tensor> {
  const found = new Set(operandsOf(d));
  for (const r of readsOf(scalarsOf(d))) found.add(r.tensor);
  return found;
}

/** Axes that a definition's scalars may use, outermost first: the points at which its body is evaluated. */
export function domainOf(d: Definition): readonly Axis[] {
  switch (d.kind) {
    case 'map':
    case 'scan':
    case 'softmax':
    case 'matrix':
      return d.tensor.axes;
    case 'reduce':
      return [...d.tensor.axes, ...d.over];
    case 'triangular':
      return [...d.tensor.axes, d.other];
    case 'scatter':
      return d.over;
    case 'rotate':
      return [...d.tensor.axes.slice(0, -1), d.pair];
    default:
      return d satisfies never;
  }
}

/** The same rule with its scalars changed by one function (which may share work between them). */
export function mapScalars(d: Definition, change: (s: Scalar) => Scalar): Definition {
  switch (d.kind) {
    case 'map':
    case 'reduce':
      return Object.freeze({ ...d, body: change(d.body) });
    case 'scan':
      return Object.freeze({ ...d, factor: change(d.factor), term: change(d.term) });
    case 'triangular':
      return Object.freeze({ ...d, from: change(d.from), factor: change(d.factor), term: change(d.term) });
    case 'scatter':
      return Object.freeze({ ...d, index: Object.freeze(d.index.map(change)), body: change(d.body) });
    case 'softmax':
      return Object.freeze({ ...d, where: change(d.where), body: change(d.body) });
    case 'rotate':
      return Object.freeze({ ...d, phase: change(d.phase) });
    case 'matrix':
      return d;
    default:
      return d satisfies never;
  }
}

/** The same definition with tensors replaced by others, wherever it reads them; and its own. */
export function replaceIn(d: Definition, by: ReadonlyMap<Tensor, Tensor>): Definition {
  const now = (tensor: Tensor): Tensor => by.get(tensor) ?? tensor;
  const over = mapScalars(d, (s) => replaceTensors(s, by));
  const own = by.has(d.tensor) ? Object.freeze({ ...over, tensor: now(d.tensor) }) : over;
  if (!operandsOf(d).some((tensor) => by.has(tensor))) return own;
  if (own.kind === 'rotate') return Object.freeze({ ...own, input: now(own.input) });
  if (own.kind === 'matrix')
    return Object.freeze({
      ...own,
      input: now(own.input),
      cotangent: own.cotangent === null ? null : now(own.cotangent),
    });
  return own;
}

/** A fresh axis like another one. */
export const likeAxis = (axis: Axis): Axis => Object.freeze({ ...axis });

/** Fresh axes like others, and the substitution that renames to them. */
export function freshAxes(axes: readonly Axis[]): { axes: readonly Axis[]; by: Map<Axis, Scalar> } {
  const made = axes.map(likeAxis);
  return { axes: Object.freeze(made), by: new Map(axes.map((a, n) => [a, at(made[n]!)])) };
}
