// One factor of a matrix product, a block of [points, steps] -> panels of private memory: eight points side by side for each
// step, [panel][step][8], the last panel filled up with zeros. What lies side by side in the factor is moved in vectors.

import type { Expression } from '../kernel.ts';
import {
  add,
  call,
  element,
  f32,
  i32,
  less,
  load,
  local,
  loop,
  multiply,
  shuffle,
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
  const whole = factor.multiple % panelPoints === 0 ? points : scope.bind('whole', call('bit_and', points, i32(-8)));
  const place = (point: Expression, step: Expression): Expression =>
    add(panelAt(point, stride), multiply(step, i32(panelPoints)));
  if (whole.kind !== 'literal' || whole.value > 0) {
    const form = formOf(scope, factor);
    if (form === 'points') sideBySide(scope, factor, whole, place);
    else if (form === 'steps') transposed(scope, factor, whole, place);
    else oneByOne(scope, factor, whole, place);
  }
  if (whole === points) return;
  const rest = scope.bind('rest', subtract(points, whole));
  const fill = (from: Expression, to: Expression, value: (point: Expression, step: Expression) => Expression): void =>
    inLoop(scope, 'step', i32(0), steps, 1, (step) =>
      inLoop(scope, 'point', from, to, 1, (point) => {
        scope.emit(storeElement(array, add(place(whole, step), point), value(point, step)));
      }),
    );
  const filled = scope.block(() => {
    fill(i32(0), rest, (point, step) => factor.value(add(whole, point), step));
    fill(rest, i32(panelPoints), () => f32(0));
  });
  scope.emit(...when(less(i32(0), rest), filled));
}

type Place = (point: Expression, step: Expression) => Expression;

/** Which way neighbours in memory lie: the other points of a step, or the other steps of a point. */
function formOf(scope: Scope, { value }: Factor): 'points' | 'steps' | 'apart' {
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

function sideBySide(scope: Scope, { array, steps, value }: Factor, whole: Expression, place: Place): void {
  inLoop(scope, 'step', i32(0), steps, 1, (step) =>
    inLoop(scope, 'point', i32(0), whole, panelPoints, (point) => {
      for (const half of [0, 4])
        scope.emit(
          storeElement(array, add(place(point, step), i32(half)), fourFrom(value(add(point, i32(half)), step))),
        );
    }),
  );
}

const rowsOf = [0, 1, 2, 3] as const;

/** Four points and four steps at a time. */
function transposed(scope: Scope, factor: Factor, whole: Expression, place: Place): void {
  const { array, steps, value } = factor;
  const inFours =
    steps.kind === 'literal' ? i32(steps.value & -4) : scope.bind('fours', call('bit_and', steps, i32(-4)));
  inLoop(scope, 'point', i32(0), whole, panelPoints, (point) => {
    inLoop(scope, 'step', i32(0), inFours, 4, (step) => {
      for (const half of [0, 4]) {
        const rows = rowsOf.map((n) => scope.bind('row', fourFrom(value(add(point, i32(half + n)), step))));
        turned(scope, rows).forEach((column, n) => {
          const at = add(place(point, step), i32(n * panelPoints + half));
          scope.emit(storeElement(array, at, column));
        });
      }
    });
    if (steps.kind === 'literal' && steps.value % 4 === 0) return;
    inLoop(scope, 'step', inFours, steps, 1, (step) =>
      inLoop(scope, 'neighbour', i32(0), i32(panelPoints), 1, (neighbour) =>
        scope.emit(storeElement(array, add(place(point, step), neighbour), value(add(point, neighbour), step))),
      ),
    );
  });
}

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
function oneByOne(scope: Scope, { array, steps, value }: Factor, whole: Expression, place: Place): void {
  inLoop(scope, 'point', i32(0), whole, panelPoints, (point) =>
    inLoop(scope, 'step', i32(0), steps, 1, (step) => {
      const neighbour = scope.fresh('neighbour');
      const at = local(neighbour, 'i32');
      const body = scope.block(() =>
        scope.emit(storeElement(array, add(place(point, step), at), value(add(point, at), step))),
      );
      scope.emit(loop(neighbour, i32(0), i32(panelPoints), body, { mode: 'vector' }));
    }),
  );
}

/** A number of a panel, or four from it. */
export const fromPanel = (array: string, index: Expression, type: 'f32' | 'f32x4'): Expression =>
  element(array, index, type);
