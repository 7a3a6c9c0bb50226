// Point nests that need not wait for each other, stacked into one launch: query and key where they differ in heads.

import type { Tensor } from '../../src/ir/ir.ts';
import { madeBy, membersOf, readBy, type Nest, type RowsNest } from './nest.ts';
import type { PlanOptions } from './plan.ts';

export function stacked(nests: readonly Nest[], options: PlanOptions): readonly Nest[] {
  if (options.access === 4) return nests;
  const result: Nest[] = [];
  for (const nest of nests) {
    const home = result.findLastIndex((other, n) => mayStack(other, nest, result.slice(n + 1), options));
    if (home < 0) result.push(nest);
    else result[home] = { kind: 'stack', parts: [...partsOf(result[home]!), nest as RowsNest] };
  }
  return result;
}

const partsOf = (nest: Nest): readonly RowsNest[] =>
  nest.kind === 'stack' ? nest.parts : nest.kind === 'rows' && nest.inner.length === 0 ? [nest] : [];

/** Whether a nest may run beside an earlier one: it needs nothing of that one, nor has to wait for what runs between. */
function mayStack(into: Nest, nest: Nest, between: readonly Nest[], options: PlanOptions): boolean {
  const parts = partsOf(into);
  if (nest.kind !== 'rows' || nest.inner.length > 0 || parts.length === 0 || !alike(parts[0]!, nest)) return false;
  const reads = readOf(nest);
  if ([into, ...between].some((other) => madeBy(other).some((tensor) => reads.has(tensor)))) return false;
  // What others read after this place could no longer be overwritten here.
  if (between.some((other) => [...readOf(other)].some((tensor) => reads.has(tensor) && isStream(tensor, nest))))
    return false;
  const all = new Set<Tensor>([...madeBy(into), ...readOf(into), ...madeBy(nest), ...reads]);
  return all.size <= options.maxBindings;
}

const readOf = (nest: Nest): ReadonlySet<Tensor> => new Set(membersOf(nest).flatMap((root) => [...readBy(root)]));

/** Of as many axes as what the nest makes: a candidate for in place. */
const isStream = (tensor: Tensor, nest: RowsNest): boolean =>
  madeBy(nest).some((made) => made.axes.length === tensor.axes.length);

/** The same kind of work over the same axes but one, the heads. */
function alike(a: RowsNest, b: RowsNest): boolean {
  if (a.grid.length !== b.grid.length) return false;
  if (a.members.some((root) => root.definition.kind !== b.members[0]!.definition.kind)) return false;
  const other = a.grid.filter((axis, n) => axis.extent !== b.grid[n]!.extent);
  return other.length === 1 && typeof other[0]!.extent === 'number' && a.grid.at(-1)!.extent === b.grid.at(-1)!.extent;
}
