// Sizes of buffers and dispatches: small expressions over the run-time sizes. Constructors fold numbers, so that two
// equal sizes print equally; evaluateSize gives the number at launch.

import type { Extent } from '../../src/ir/ir.ts';
import type { KernelSize } from '../kernel.ts';
import type { Size } from './plan.ts';

export const numberSize = (value: number): Size => ({ kind: 'number', value });
export const runtimeSize = (size: KernelSize): Size => ({ kind: 'size', size });

/** The extent of an axis as a size. */
export const extentSize = (extent: Extent): Size =>
  typeof extent === 'number' ? numberSize(extent) : runtimeSize(extent);

/** Numbers are multiplied out and stand last. */
export function product(factors: readonly Size[]): Size {
  const flat = factors.flatMap((factor) => (factor.kind === 'product' ? factor.factors : [factor]));
  const constant = flat.reduce((all, factor) => (factor.kind === 'number' ? all * factor.value : all), 1);
  const rest: Size[] = flat.filter((factor) => factor.kind !== 'number');
  if (constant === 0 || rest.length === 0) return numberSize(constant);
  if (constant !== 1) rest.push(numberSize(constant));
  return rest.length === 1 ? rest[0]! : { kind: 'product', factors: rest };
}

/** Terms that are equal up to a number are added up. */
export function sum(terms: readonly Size[]): Size {
  const parts = new Map<string, { rest: readonly Size[]; count: number }>();
  const add = (term: Size): void => {
    if (term.kind === 'sum') {
      term.terms.forEach(add);
      return;
    }
    const factors = term.kind === 'product' ? term.factors : [term];
    const count = factors.reduce((all, factor) => (factor.kind === 'number' ? all * factor.value : all), 1);
    const rest = factors.filter((factor) => factor.kind !== 'number');
    const key = rest.map(printSize).join('*');
    parts.set(key, { rest, count: count + (parts.get(key)?.count ?? 0) });
  };
  terms.forEach(add);
  const merged = [...parts.values()]
    .filter(({ count }) => count !== 0)
    .map(({ rest, count }) => product([...rest, numberSize(count)]));
  return merged.length === 0 ? numberSize(0) : merged.length === 1 ? merged[0]! : { kind: 'sum', terms: merged };
}

export function ceilDivide(value: Size, by: number): Size {
  if (by === 1) return value;
  return value.kind === 'number' ? numberSize(Math.ceil(value.value / by)) : { kind: 'ceil-divide', value, by };
}

export type SizeValues = Readonly<Record<KernelSize, number>>;

export function evaluateSize(size: Size, values: SizeValues): number {
  switch (size.kind) {
    case 'number':
      return size.value;
    case 'size':
      return values[size.size];
    case 'product':
      return size.factors.reduce((all, factor) => all * evaluateSize(factor, values), 1);
    case 'sum':
      return size.terms.reduce((all, term) => all + evaluateSize(term, values), 0);
    case 'ceil-divide':
      return Math.ceil(evaluateSize(size.value, values) / size.by);
    default:
      return size satisfies never;
  }
}

export function printSize(size: Size): string {
  switch (size.kind) {
    case 'number':
      return String(size.value);
    case 'size':
      return size.size;
    case 'product':
      return size.factors
        .map((factor) => (factor.kind === 'sum' ? `(${printSize(factor)})` : printSize(factor)))
        .join(' * ');
    case 'sum':
      return size.terms.map(printSize).join(' + ');
    case 'ceil-divide':
      return `ceil(${printSize(size.value)} / ${size.by})`;
    default:
      return size satisfies never;
  }
}

/** What run-time sizes are taken as where a choice depends on them. */
const nominalSizes: SizeValues = { batch: 8, tokens: 1024, keys: 1024, first: 0, capacity: 1024 };

export const nominalSize = (size: Size): number => evaluateSize(size, nominalSizes);

export const nominal = (extent: Extent): number => (typeof extent === 'number' ? extent : nominalSizes[extent]);
