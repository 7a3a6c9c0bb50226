// What walks along a scan have in common: pieces of steps in its order, where a step is, and what the first one begins with.

import type { Definition } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import { add, f32, i32, local, loop, minimum, multiply, quotient, select, subtract } from '../kernel-build.ts';
import type { ScanNest } from '../plan/nest.ts';
import { begins } from '../simt/scan.ts';
import { extentOf, loadAt, type Scope } from '../simt/scope.ts';

export type Scan = Extract<Definition, { kind: 'scan' }>;

/** Nothing but sums. */
export const isSum = ({ factor }: Scan): boolean => factor.kind === 'constant' && factor.value === 1;

/** All steps in pieces, in the order of the scan. */
export function eachPiece(
  scope: Scope,
  { root, chunk: length }: ScanNest,
  write: (from: Expression, to: Expression) => void,
): void {
  const extent = extentOf((root.definition as Scan).along.extent);
  const name = scope.fresh('piece');
  const body = scope.block(() => {
    const from = scope.bind('from', multiply(local(name, 'i32'), i32(length)));
    write(from, scope.bind('to', minimum(add(from, i32(length)), extent)));
  });
  scope.emit(loop(name, i32(0), quotient(add(extent, i32(length - 1)), i32(length)), body));
}

/** The position of a step along the axis. */
export function positionOf({ reverse, along }: Scan, step: Expression): Expression {
  return reverse ? subtract(subtract(extentOf(along.extent), i32(1)), step) : step;
}

/** The value before the first token: of the recurrence's beginning, or what the call before left. */
export function carryIn(scope: Scope, { root, carry }: ScanNest, index: readonly Expression[]): Expression {
  const initial = f32((root.definition as Scan).initial);
  if (carry === null) return initial;
  return select(begins(carry, index), initial, loadAt(scope, carry, index));
}
