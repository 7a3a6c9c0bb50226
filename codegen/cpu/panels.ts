// One factor of a matrix product, a block of [points, steps] -> panels of private memory: eight points side by side for each
// step, [panel][step][8], the last panel filled up with zeros. What lies side by side in the factor is moved in vectors.

import type { Expression } from '../kernel.ts';
import {
  add,
  call,
  f32,
  i32,
  less,
  load,
  local,
  loop,
  multiply,
  shuffle,
  splat,
  storeElement,
  subtract,
  when,
} from '../kernel-build.ts';
import { linear, namesIn } from '../simt/linear.ts';
import type { Scope } from '../simt/scope.ts';

/** Points of a panel. */
export const panelPoints = 8;
/** Between panels, so that the same step of neighbouring ones is not in the same set of a cache. */
const gap = 16;

/** From one panel to the next. */
export const panelStride = (steps: number): number => panelPoints * steps + gap;

export const panelsFor = (points: number, steps: number): number =>
  Math.ceil(points / panelPoints) * panelStride(steps);

export interface Factor {
  readonly array: string;
  /** From one panel to the next. */
  readonly stride: number;
  /** Known at run time, or literal: no more than fits the array. */
  readonly points: Expression;
  readonly steps: Expression;
  /** What surely divides the number of points. */
  readonly multiple: number;
  /** The value at a point and a step of the block, as f32. */
  value(point: Expression, step: Expression): Expression;
}

/** Where the eight points of a panel begin, `point` being its first. */
export const panelAt = (point: Expression, stride: number): Expression => multiply(point, i32(stride / panelPoints));

export function writePanels(scope: Scope, factor: Factor): void {
  const { points, steps, stride, array } = factor;
  const isWhole = factor.multiple % panelPoints === 0;
  const whole = isWhole ? points : settled(scope, 'whole', call('bit_and', points, i32(-panelPoints)));
  const place = (point: Expression, step: Expression): Expression =>
    add(panelAt(point, stride), multiply(step, i32(panelPoints)));
  const form = formOf(scope, factor);
  const write: Write = form === 'points' ? sideBySide : form === 'steps' ? transposed : oneByOne;
  inLoop(scope, 'point', i32(0), whole, panelPoints, (point) => {
    const at: Place = (half, step) => add(place(point, step), i32(half));
    write(scope, factor, point, [0, 4], at);
  });
  if (isWhole) return;
  const last = scope.block(() => {
    inLoop(scope, 'step', i32(0), steps, 1, (step) => {
      for (const half of [0, 4]) scope.emit(storeElement(array, add(place(whole, step), i32(half)), splat(f32(0))));
    });
    const four = call('bit_and', points, i32(4));
    const half = scope.block(() => write(scope, factor, whole, [0], (_, step) => place(whole, step)));
    scope.emit(...when(less(i32(0), four), half));
    const done = settled(scope, 'done', add(whole, four));
    inLoop(scope, 'point', done, points, 1, (point) =>
      inLoop(scope, 'step', i32(0), steps, 1, (step) => {
        scope.emit(storeElement(array, add(place(whole, step), subtract(point, whole)), factor.value(point, step)));
      }),
    );
  });
  scope.emit(...when(less(whole, points), last));
}

/** Where a half of a panel is at a step. */
type Place = (half: number, step: Expression) => Expression;

/** All steps of a panel, or of a half of one, whose first point is `point`. */
type Write = (scope: Scope, factor: Factor, point: Expression, halves: readonly number[], at: Place) => void;

const settled = (scope: Scope, name: string, value: Expression): Expression =>
  value.kind === 'literal' ? value : scope.bind(name, value);

/** Which way neighbours in memory lie: the other points of a step, or the other steps of a point. */
export function formOf(scope: Scope, { value }: Pick<Factor, 'value'>): 'points' | 'steps' | 'apart' {
  const [point, step] = [scope.fresh('point'), scope.fresh('step')];
  let read: Expression | null = null;
  const made = scope.block(() => {
    read = value(local(point, 'i32'), local(step, 'i32'));
  });
  const found = read as Expression | null;
  if (made.length > 0 || found?.kind !== 'load' || found.type !== 'f32') return 'apart';
  if (growthAlong(found.index, point) === 1) return 'points';
  return growthAlong(found.index, step) === 1 ? 'steps' : 'apart';
}

/** By how much an index grows with a name; null: not by the same everywhere. */
function growthAlong(index: Expression, name: string): number | null {
  const { terms } = linear(index, new Map());
  for (const [key, { atom }] of terms) if (key !== name && namesIn(atom).has(name)) return null;
  return terms.get(name)?.coefficient ?? 0;
}

/** The four neighbours from where the value lies. */
function fourFrom(value: Expression): Expression {
  if (value.kind !== 'load') throw new Error('only what is loaded has neighbours');
  return load(value.buffer, value.index, 'f32x4');
}

function inLoop(
  scope: Scope,
  name: string,
  from: Expression,
  to: Expression,
  step: number,
  write: (at: Expression) => void,
): void {
  const variable = scope.fresh(name);
  const body = scope.block(() => write(local(variable, 'i32')));
  scope.emit(loop(variable, from, to, body, { step }));
}

const sideBySide: Write = (scope, { array, steps, value }, point, halves, at) =>
  inLoop(scope, 'step', i32(0), steps, 1, (step) => {
    for (const half of halves)
      scope.emit(storeElement(array, at(half, step), fourFrom(value(add(point, i32(half)), step))));
  });

const four = [0, 1, 2, 3] as const;

/** Four points and four steps at a time. */
const transposed: Write = (scope, { array, steps, value }, point, halves, at) => {
  const inFours = settled(scope, 'fours', call('bit_and', steps, i32(-4)));
  const from = (half: number, n: number): Expression => add(point, i32(half + n));
  inLoop(scope, 'step', i32(0), inFours, 4, (step) => {
    for (const half of halves) {
      const rows = four.map((n) => scope.bind('row', fourFrom(value(from(half, n), step))));
      turned(scope, rows).forEach((column, n) =>
        scope.emit(storeElement(array, add(at(half, step), i32(n * panelPoints)), column)),
      );
    }
  });
  if (steps.kind === 'literal' && steps.value % 4 === 0) return;
  inLoop(scope, 'step', inFours, steps, 1, (step) => {
    for (const half of halves)
      for (const n of four) scope.emit(storeElement(array, add(at(half, step), i32(n)), value(from(half, n), step)));
  });
};

/** Four vectors as rows -> the columns. */
function turned(scope: Scope, rows: readonly Expression[]): readonly Expression[] {
  const [a, b, c, d] = rows as [Expression, Expression, Expression, Expression];
  const low = (x: Expression, y: Expression): Expression => scope.bind('pairs', shuffle(x, y, [0, 4, 1, 5]));
  const high = (x: Expression, y: Expression): Expression => scope.bind('pairs', shuffle(x, y, [2, 6, 3, 7]));
  const [ab, cd, abHigh, cdHigh] = [low(a, b), low(c, d), high(a, b), high(c, d)];
  return [
    shuffle(ab, cd, [0, 1, 4, 5]),
    shuffle(ab, cd, [2, 3, 6, 7]),
    shuffle(abHigh, cdHigh, [0, 1, 4, 5]),
    shuffle(abHigh, cdHigh, [2, 3, 6, 7]),
  ];
}

/** Whatever the value is: it is computed, or lies anywhere. */
const oneByOne: Write = (scope, { array, steps, value }, point, halves, at) =>
  inLoop(scope, 'step', i32(0), steps, 1, (step) => {
    const name = scope.fresh('neighbour');
    const neighbour = local(name, 'i32');
    const body = scope.block(() =>
      scope.emit(storeElement(array, add(at(0, step), neighbour), value(add(point, neighbour), step))),
    );
    scope.emit(loop(name, i32(0), i32(4 * halves.length), body, { mode: 'vector' }));
  });
