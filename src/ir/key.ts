// Structural keys: two scalars have the same key exactly if they are the same expression over the same axes and tensors.
// Keys are small integers handed out in order of first sight (hash consing), so shared nodes cost nothing.

import type { Axis, Definition, Scalar, Tensor } from './ir.ts';
import { children, domainOf, operandsOf, scalarsOf } from './visit.ts';

export interface Keys {
  readonly scalar: (s: Scalar) => number;
  /** Equal for definitions that make equal tensors, whatever their axes are called or which objects they are. */
  readonly definition: (d: Definition) => string;
}

export function makeKeys(): Keys {
  const identity = new Map<Axis | Tensor, number>();
  const idOf = (object: Axis | Tensor): number => {
    const known = identity.get(object);
    if (known !== undefined) return known;
    identity.set(object, identity.size);
    return identity.size - 1;
  };
  const table = new Map<string, number>();
  const intern = (text: string): number => {
    const known = table.get(text);
    if (known !== undefined) return known;
    table.set(text, table.size);
    return table.size - 1;
  };

  const keyer = (axisName: (axis: Axis) => string): ((s: Scalar) => number) => {
    const done = new Map<Scalar, number>();
    const enter = (s: Scalar): number => {
      const known = done.get(s);
      if (known !== undefined) return known;
      const key = intern(`${head(s, axisName, idOf)}(${children(s).map(enter).join()})`);
      done.set(s, key);
      return key;
    };
    return enter;
  };

  const definition = (d: Definition): string => {
    const place = new Map(domainOf(d).map((axis, n) => [axis, n]));
    for (const axis of d.tensor.axes) if (!place.has(axis)) place.set(axis, place.size);
    const enter = keyer((axis) => `#${place.get(axis) ?? 'free'}`);
    const shape = (axes: readonly Axis[]): string =>
      axes.map((axis) => `${axis.extent}:${axis.role}#${place.get(axis)}`).join();
    const parts = [d.kind, d.tensor.type, shape(d.tensor.axes), shape(domainOf(d)), details(d, place)];
    return [...parts, scalarsOf(d).map(enter).join(), operandsOf(d).map(idOf).join()].join('|');
  };

  return { scalar: keyer((axis) => `a${idOf(axis)}`), definition };
}

function head(s: Scalar, axisName: (axis: Axis) => string, idOf: (tensor: Tensor) => number): string {
  switch (s.kind) {
    case 'constant':
      return `${s.type} ${s.value}`;
    case 'size':
      return s.size;
    case 'axis':
      return axisName(s.axis);
    case 'read':
      return `read ${idOf(s.tensor)} ${s.outside}`;
    case 'call':
      return s.op;
    default:
      return s satisfies never;
  }
}

/** What is in a rule besides scalars and operands. */
function details(d: Definition, place: ReadonlyMap<Axis, number>): string {
  switch (d.kind) {
    case 'map':
    case 'scatter':
      return '';
    case 'matrix':
      return d.cotangent === null ? d.function : 'adjoint';
    case 'reduce':
      return d.op;
    case 'scan':
      return `${place.get(d.along)} ${d.reverse} ${d.exclusive} ${d.initial}`;
    case 'triangular':
      return `${place.get(d.along)} ${d.reverse}`;
    case 'softmax':
      return `${place.get(d.over)}`;
    case 'rotate':
      return `${d.sign} ${d.layout} ${d.from}`;
    default:
      return d satisfies never;
  }
}
