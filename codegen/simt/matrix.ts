// The exponential of small matrices and its adjoint, by scaling and squaring in f32: the adjoint is the derivative at the
// transposed matrix in the direction of the cotangent, carried along with the exponential (Al-Mohy & Higham 2009).
// A lane a matrix in private arrays, or a workgroup a matrix with a lane an element in workgroup memory.

import type { Axis, Definition, Tensor } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  barrier,
  call,
  divide,
  element,
  equal,
  f32,
  i32,
  laneIndex,
  less,
  local,
  loop,
  maximum,
  multiply,
  quotient,
  remainder,
  select,
  shared,
  storeElement,
  storeShared,
  subtract,
  toF32,
  when,
} from '../kernel-build.ts';
import { flopsOf } from '../plan/cost.ts';
import type { MatrixNest } from '../plan/nest.ts';
import type { KernelVariant } from '../plan/plan.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting } from './draft.ts';
import { groupGrid, indicesAt, laneGrid, laneGroups, pointsOf } from './grid.ts';
import { loadAt, type KernelBuffer, type Scope } from './scope.ts';
import { storeInto } from './store.ts';
import { addTo, setTo } from './variable.ts';

export type Expm = Extract<Definition, { kind: 'expm' }>;

/** Taylor terms that leave 5e-9 at a norm of a half. */
const terms = 8;
/** The largest number of squarings: norms up to 2^23. */
const mostSquarings = 24;
/** A workgroup a matrix from this side on. */
const largeSide = 6;

/** Matrices of one kernel: where an element is read and written, and how all of them are made at once. */
interface Engine {
  readonly at: (matrix: string, row: Expression, column: Expression) => Expression;
  /** New values of some matrices, each from the old values of all. */
  update(made: readonly { matrix: string; value: (row: Expression, column: Expression) => Expression }[]): void;
  matrix(name: string): string;
  /** Every element once. */
  each(write: (row: Expression, column: Expression) => void): void;
  /** All matrices take the same steps. */
  readonly sameSteps: boolean;
}

export function lowerMatrix({ root }: MatrixNest, setting: Setting): Draft {
  const d = root.definition as Expm;
  const { tensor } = d;
  const side = tensor.axes.at(-1)!.extent as number;
  const outer = tensor.axes.slice(0, -2);
  const name = setting.kernelName(tensor.name);
  const wanted = buffersOf([root], setting);
  let buffers: readonly KernelBuffer[] = [];
  const variants: KernelVariant[] = [];
  const forced = setting.options.rows;
  if (forced === 'thread' || forced === 'auto' || side < largeSide) {
    const one = writeBody(setting, name, 64, wanted, (scope) => {
      const grid = laneGrid(scope, outer, 'matrix');
      exponential(scope, setting, d, side, grid.local, laneEngine(scope, side));
    });
    buffers = one.buffers;
    variants.push(variant('software', laneGroups(pointsOf(outer)), one.body));
  }
  if (side >= largeSide && forced !== 'thread') {
    const lanes = 2 ** Math.ceil(Math.log2(side * side));
    const all = writeBody(setting, name, lanes, wanted, (scope) => {
      const grid = groupGrid(scope, outer, 'matrix');
      exponential(scope, setting, d, side, grid.local, groupEngine(scope, side, lanes));
    });
    buffers = all.buffers;
    variants.push(variant('portable', pointsOf(outer), all.body));
  }
  return { name, comment: describe([root]), definitions: [d], buffers, variants, flops: flopsOf([root]) };
}

export function exponential(
  scope: Scope,
  setting: Setting,
  d: Expm,
  side: number,
  outer: readonly Expression[],
  engine: Engine,
): void {
  const load = (tensor: Tensor, row: Expression, column: Expression): Expression =>
    loadAt(scope, tensor, [...indexOf(scope, tensor, outer), row, column]);
  const adjoint = d.cotangent;
  const input = engine.matrix('scaled');
  const power = engine.matrix('power');
  const change = adjoint === null ? null : engine.matrix('direction');
  const derivative = adjoint === null ? null : engine.matrix('derivative');
  const unit = (row: Expression, column: Expression): Expression => select(equal(row, column), f32(1), f32(0));

  engine.update([
    { matrix: input, value: (r, c) => (adjoint === null ? load(d.input, r, c) : load(d.input, c, r)) },
    { matrix: power, value: unit },
    ...(adjoint === null
      ? []
      : [
          { matrix: change!, value: (r: Expression, c: Expression) => load(adjoint, r, c) },
          { matrix: derivative!, value: () => f32(0) },
        ]),
  ]);
  const { scale, squarings } = scaling(scope, side, (r, c) => engine.at(input, r, c));
  const scaled = (matrix: string) => ({
    matrix,
    value: (r: Expression, c: Expression) => multiply(engine.at(matrix, r, c), scale),
  });
  engine.update([scaled(input), ...(change === null ? [] : [scaled(change)])]);

  const times = (a: string, b: string, r: Expression, c: Expression): Expression =>
    dot(scope, side, (k) => multiply(engine.at(a, r, k), engine.at(b, k, c)));
  const step = scope.fresh('term');
  const taylor = scope.block(() => {
    const order = scope.bind('order', toF32(subtract(i32(terms), local(step, 'i32'))));
    const made = [
      {
        matrix: power,
        value: (r: Expression, c: Expression) => add(unit(r, c), divide(times(input, power, r, c), order)),
      },
    ];
    if (derivative !== null) {
      made.push({
        matrix: derivative,
        value: (r, c) => divide(add(times(change!, power, r, c), times(input, derivative, r, c)), order),
      });
    }
    engine.update(made);
  });
  scope.emit(loop(step, i32(0), i32(terms), taylor));

  // Every matrix takes the same steps, so that all lanes meet at the barriers; those beyond its own change nothing.
  const round = scope.fresh('squaring');
  const isNeeded = less(local(round, 'i32'), squarings);
  const square = scope.block(() => {
    const kept = (matrix: string, r: Expression, c: Expression, value: Expression): Expression =>
      select(isNeeded, value, engine.at(matrix, r, c));
    const made = [
      {
        matrix: power,
        value: (r: Expression, c: Expression) => kept(power, r, c, times(power, power, r, c)),
      },
    ];
    if (derivative !== null) {
      made.push({
        matrix: derivative,
        value: (r, c) => kept(derivative, r, c, add(times(power, derivative, r, c), times(derivative, power, r, c))),
      });
    }
    engine.update(made);
  });
  scope.emit(loop(round, i32(0), engine.sameSteps ? i32(mostSquarings) : squarings, square));

  engine.each((r, c) => {
    const at = [...indexOf(scope, d.tensor, outer), r, c];
    storeInto(scope, setting, d.tensor, at, engine.at(derivative ?? power, r, c));
  });
}

const indexOf = (scope: Scope, tensor: Tensor, outer: readonly Expression[]): readonly Expression[] =>
  indicesAt(scope, tensor.axes.slice(0, -2) as readonly Axis[], outer).map(([, index]) => index);

/** A sum over one side, in a variable. */
function dot(scope: Scope, side: number, term: (k: Expression) => Expression): Expression {
  const sum = scope.variable('sum', f32(0));
  const name = scope.fresh('k');
  const body = scope.block(() => {
    scope.emit(addTo(sum, term(local(name, 'i32'))));
  });
  scope.emit(loop(name, i32(0), i32(side), body));
  return sum;
}

/** The power of two that brings the largest row sum to a half at most, and how often to square afterwards. */
function scaling(
  scope: Scope,
  side: number,
  at: (row: Expression, column: Expression) => Expression,
): { scale: Expression; squarings: Expression } {
  const norm = scope.variable('norm', f32(0));
  const scale = scope.variable('scale', f32(1));
  const squarings = scope.variable('squarings', i32(0));
  const row = scope.fresh('row');
  const rows = scope.block(() => {
    const sum = dot(scope, side, (k) => call('abs', at(local(row, 'i32'), k)));
    scope.emit(setTo(norm, maximum(norm, sum)));
  });
  scope.emit(loop(row, i32(0), i32(side), rows));
  const halving = [
    setTo(scale, multiply(scale, f32(0.5))),
    setTo(norm, multiply(norm, f32(0.5))),
    setTo(squarings, add(squarings, i32(1))),
  ];
  const half = scope.fresh('halving');
  scope.emit(loop(half, i32(0), i32(mostSquarings), [...when(less(f32(0.5), norm), halving)]));
  return { scale, squarings };
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

/** A lane an element: all lanes read, meet, write, and meet again. */
function groupEngine(scope: Scope, side: number, lanes: number): Engine {
  const size = side * side;
  const row = scope.bind('row', quotient(laneIndex, i32(side)));
  const column = scope.bind('column', remainder(laneIndex, i32(side)));
  const own = less(laneIndex, i32(size));
  const only = (write: () => void): void => {
    if (lanes === size) write();
    else scope.emit(...when(own, scope.block(write)));
  };
  return {
    sameSteps: true,
    each: (write) => only(() => write(row, column)),
    at: (matrix, r, c) => shared(matrix, add(multiply(r, i32(side)), c)),
    matrix: (name) => scope.shared(name, 'f32', size),
    update(made) {
      const next = made.map(() => scope.variable('next', f32(0)));
      only(() =>
        made.forEach(({ value }, n) => {
          const variable = next[n]!;
          scope.emit(setTo(variable, value(row, column)));
        }),
      );
      scope.emit(barrier);
      only(() => made.forEach(({ matrix }, n) => scope.emit(storeShared(matrix, laneIndex, next[n]!))));
      scope.emit(barrier);
    },
  };
}
