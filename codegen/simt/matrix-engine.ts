// Where the matrices of one kernel lie and how all their elements are made at once: in private arrays of a lane that has a
// matrix to itself, or in workgroup memory with the elements shared out among the lanes.

import type { Axis, Definition, Tensor } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  barrier,
  element,
  f32,
  i32,
  laneIndex,
  less,
  local,
  loop,
  multiply,
  quotient,
  remainder,
  shared,
  storeElement,
  storeShared,
  when,
} from '../kernel-build.ts';
import type { Setting } from './draft.ts';
import { indicesAt } from './grid.ts';
import { loadAt, type Scope } from './scope.ts';
import { storeInto } from './store.ts';
import { setTo } from './variable.ts';

export type MatrixDefinition = Extract<Definition, { kind: 'matrix' }>;

/** Matrices of one kernel: where an element is read and written, and how all of them are made at once. */
export interface Engine {
  readonly at: (matrix: string, row: Expression, column: Expression) => Expression;
  /** New values of some matrices, each from the old values of all. */
  update(made: readonly { matrix: string; value: (row: Expression, column: Expression) => Expression }[]): void;
  matrix(name: string): string;
  /** Every element once. */
  each(write: (row: Expression, column: Expression) => void): void;
  /** All matrices take the same steps. */
  readonly sameSteps: boolean;
}

/** One lane has the matrices to itself; new values wait in a second array until all are made. `mode`: of loops along rows. */
export function laneEngine(scope: Scope, side: number, mode: 'serial' | 'vector' = 'serial'): Engine {
  const size = side * side;
  const spare = new Map<string, string>();
  const flat = (row: Expression, column: Expression): Expression => add(multiply(row, i32(side)), column);
  const each: Engine['each'] = (write) => {
    const row = scope.fresh('row');
    const column = scope.fresh('column');
    const inner = scope.block(() => {
      const body = scope.block(() => write(local(row, 'i32'), local(column, 'i32')));
      scope.emit(loop(column, i32(0), i32(side), body, { mode }));
    });
    scope.emit(loop(row, i32(0), i32(side), inner));
  };
  return {
    sameSteps: false,
    each,
    at: (matrix, row, column) => element(matrix, flat(row, column)),
    matrix(name) {
      const made = scope.array(name, 'f32', size);
      spare.set(made, scope.array(`new_${name}`, 'f32', size));
      return made;
    },
    update(made) {
      each((row, column) => {
        for (const { matrix, value } of made) {
          const next = value(row, column);
          scope.emit(storeElement(spare.get(matrix)!, flat(row, column), next));
        }
      });
      const name = scope.fresh('item');
      const item = local(name, 'i32');
      const copies = made.map(({ matrix }) => storeElement(matrix, item, element(spare.get(matrix)!, item)));
      scope.emit(loop(name, i32(0), i32(size), copies, { mode }));
    },
  };
}

/** All lanes read, meet, write, and meet again; a lane has an element, or every `lanes`th of them. */
export function groupEngine(scope: Scope, side: number, lanes: number): Engine {
  const size = side * side;
  const matrix = (name: string): string => scope.shared(name, 'f32', size);
  const at: Engine['at'] = (of, r, c) => shared(of, add(multiply(r, i32(side)), c));
  const only = (item: Expression, write: () => void): void => {
    if (size % lanes === 0) write();
    else scope.emit(...when(less(item, i32(size)), scope.block(write)));
  };
  if (size > lanes) return { sameSteps: true, matrix, at, ...manyEach(scope, side, lanes, only) };
  const row = scope.bind('row', quotient(laneIndex, i32(side)));
  const column = scope.bind('column', remainder(laneIndex, i32(side)));
  return {
    sameSteps: true,
    matrix,
    at,
    each: (write) => only(laneIndex, () => write(row, column)),
    update(made) {
      const next = made.map(() => scope.variable('next', f32(0)));
      only(laneIndex, () =>
        made.forEach(({ value }, n) => {
          const variable = next[n]!;
          scope.emit(setTo(variable, value(row, column)));
        }),
      );
      scope.emit(barrier);
      only(laneIndex, () => made.forEach(({ matrix: to }, n) => scope.emit(storeShared(to, laneIndex, next[n]!))));
      scope.emit(barrier);
    },
  };
}

/** More elements than lanes: new values wait in a private array. */
function manyEach(
  scope: Scope,
  side: number,
  lanes: number,
  only: (item: Expression, write: () => void) => void,
): Pick<Engine, 'each' | 'update'> {
  const own = Math.ceil(side ** 2 / lanes);
  const waiting: string[] = [];
  const loopOver = (write: (item: Expression, n: Expression) => void): void => {
    const name = scope.fresh('turn');
    const turn = local(name, 'i32');
    const body = scope.block(() => {
      const item = scope.bind('item', add(multiply(turn, i32(lanes)), laneIndex));
      only(item, () => write(item, turn));
    });
    scope.emit(loop(name, i32(0), i32(own), body));
  };
  const each: Engine['each'] = (write) =>
    loopOver((item) => write(quotient(item, i32(side)), remainder(item, i32(side))));
  return {
    each,
    update(made) {
      while (waiting.length < made.length) waiting.push(scope.array('next', 'f32', own));
      loopOver((item, n) => {
        const row = scope.bind('row', quotient(item, i32(side)));
        const column = scope.bind('column', remainder(item, i32(side)));
        made.forEach(({ value }, k) => {
          const next = value(row, column);
          scope.emit(storeElement(waiting[k]!, n, next));
        });
      });
      scope.emit(barrier);
      loopOver((item, n) =>
        made.forEach(({ matrix: to }, k) => scope.emit(storeShared(to, item, element(waiting[k]!, n)))),
      );
      scope.emit(barrier);
    },
  };
}

const indexOf = (scope: Scope, tensor: Tensor, outer: readonly Expression[]): readonly Expression[] =>
  indicesAt(scope, tensor.axes.slice(0, -2) as readonly Axis[], outer).map(([, index]) => index);

/** An element of the matrix at `outer`. */
export const loadElement =
  (scope: Scope, outer: readonly Expression[]) =>
  (tensor: Tensor, row: Expression, column: Expression): Expression =>
    loadAt(scope, tensor, [...indexOf(scope, tensor, outer), row, column]);

export function storeElementOf(
  scope: Scope,
  setting: Setting,
  { tensor }: MatrixDefinition,
  outer: readonly Expression[],
  [row, column]: readonly [Expression, Expression],
  value: Expression,
): void {
  storeInto(scope, setting, tensor, [...indexOf(scope, tensor, outer), row, column], value);
}
