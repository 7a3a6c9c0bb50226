// The exponential of small matrices and its adjoint, by scaling and squaring in f32: the adjoint is the derivative at the
// transposed matrix in the direction of the cotangent, carried along with the exponential (Al-Mohy & Higham 2009).

import type { Expression } from '../kernel.ts';
import {
  add,
  call,
  divide,
  equal,
  f32,
  i32,
  less,
  local,
  loop,
  maximum,
  multiply,
  select,
  subtract,
  toF32,
  when,
} from '../kernel-build.ts';
import type { Setting } from './draft.ts';
import { loadElement, storeElementOf, type Engine, type MatrixDefinition } from './matrix-engine.ts';
import type { Scope } from './scope.ts';
import { addTo, setTo } from './variable.ts';

/** Taylor terms that leave 5e-9 at a norm of a half. */
const terms = 8;
/** The largest number of squarings: norms up to 2^23. */
const mostSquarings = 24;

export function exponential(
  scope: Scope,
  setting: Setting,
  d: MatrixDefinition,
  side: number,
  outer: readonly Expression[],
  engine: Engine,
): void {
  const load = loadElement(scope, outer);
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

  engine.each((r, c) => storeElementOf(scope, setting, d, outer, [r, c], engine.at(derivative ?? power, r, c)));
}

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
