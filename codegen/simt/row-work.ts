// What each member of a rows nest does in a pass over the inner axes: a step of a reduction, one of the three parts of a
// softmax, or a map at each point. Values known at the row go to the state; values of the point to its own table.

import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import { domainOf } from '../../src/ir/visit.ts';
import type { Expression } from '../kernel.ts';
import { add, assign, divide, f32, less, maximum, multiply, select, subtract, toF32, when } from '../kernel-build.ts';
import { expandOp } from '../math.ts';
import { openPoint, type Point } from '../point.ts';
import type { Root, RowsNest } from '../plan/nest.ts';
import { placesIn } from '../plan/same-point.ts';
import { boundOfSum, causalBound, withoutBound } from './bound.ts';
import { combine, greaterThan, lowest, type Lanes } from './combine.ts';
import type { Setting } from './draft.ts';
import { indicesAt } from './grid.ts';
import { indexAt, startOf, storeAt, type Grid, type Scope } from './scope.ts';
import { axesAsScalars, storeInto } from './store.ts';
import { passOthers, turned } from './turn.ts';

/** Values of members that are known so far at a row, and what a softmax keeps between its passes. */
export interface State {
  readonly row: Map<Tensor, Expression>;
  readonly softmax: Map<Tensor, SoftmaxState>;
}

interface SoftmaxState {
  largest: Expression;
  total: Expression;
  scale: Expression;
}

function softmaxState(state: State, tensor: Tensor): SoftmaxState {
  const known = state.softmax.get(tensor) ?? { largest: lowest, total: f32(0), scale: f32(1) };
  state.softmax.set(tensor, known);
  return known;
}

/** A row for one root: its own axes but the inner ones. */
export function rowPoint(scope: Scope, root: Root, axes: readonly Axis[], grid: Grid, state: State): Point {
  return openPoint(scope, root.hints).with(indicesAt(scope, axes, grid.local), state.row);
}

/** A member's share of a pass. */
export interface Work {
  /** How far the pass needs to go; null: to the end. */
  readonly bound: Expression | null;
  /** Its steps depend on each other. */
  readonly ordered?: boolean;
  /** At one point of the pass; `bounded`: the pass ends at `bound`, else it goes to the end of the row. */
  body(inner: readonly Expression[], values: Map<Tensor, Expression>, stores: (() => void)[], bounded: boolean): void;
  /** What is stored past the bound. */
  readonly rest: ((inner: readonly Expression[]) => void) | null;
  after(lanes: Lanes | null): void;
}

function innerPoint(
  scope: Scope,
  root: Root,
  outer: readonly Axis[],
  innerAxes: readonly Axis[],
  grid: Grid,
  inner: readonly Expression[],
  state: State,
  values: ReadonlyMap<Tensor, Expression>,
): Point {
  return openPoint(scope, root.hints).with(
    [...indicesAt(scope, outer, grid.local), ...indicesAt(scope, innerAxes, inner)],
    [...state.row, ...values],
  );
}

export function reduction(scope: Scope, root: Root, grid: Grid, state: State): Work {
  const d = root.definition as Extract<Definition, { kind: 'reduce' }>;
  const { name } = d.tensor;
  const body = (
    inner: readonly Expression[],
    values: ReadonlyMap<Tensor, Expression>,
    use: (value: Expression, point: Point) => void,
  ): void => {
    const point = innerPoint(scope, root, d.tensor.axes, d.over, grid, inner, state, values);
    use(point.real(d.body), point);
  };
  if (d.op === 'argmax') {
    const best = scope.variable(`${name}_value`, lowest);
    const where = scope.variable(name, startOf(scope, d.over[0]!));
    return {
      bound: null,
      ordered: true,
      rest: null,
      body: (inner, values) =>
        body(inner, values, (value) => {
          const bound = scope.bind('candidate', value);
          const set = [assign(nameOf(best), bound), assign(nameOf(where), indexAt(scope, d.over[0]!, inner[0]!))];
          scope.emit(...when(greaterThan(bound, best), set));
        }),
      after: (lanes) => {
        const chosen = lanes === null ? where : combine(scope, lanes, 'argmax', best, where);
        state.row.set(d.tensor, chosen);
      },
    };
  }
  const total = scope.variable(d.op === 'sum' ? `${name}_sum` : `${name}_product`, f32(d.op === 'sum' ? 0 : 1));
  const bound = d.op === 'sum' ? boundOfSum(scope, d, rowPoint(scope, root, d.tensor.axes, grid, state)) : null;
  return {
    bound,
    rest: null,
    body: (inner, values) =>
      body(inner, values, (value) => {
        scope.emit(assign(nameOf(total), (d.op === 'sum' ? add : multiply)(total, value)));
      }),
    after: (lanes) => {
      state.row.set(d.tensor, lanes === null ? total : combine(scope, lanes, d.op as 'sum' | 'prod', total));
    },
  };
}

const nameOf = (variable: Expression): string => {
  if (variable.kind !== 'local') throw new Error('not a variable');
  return variable.name;
};

export function pointMap(scope: Scope, setting: Setting, root: Root, grid: Grid, state: State): Work {
  const d = root.definition as Extract<Definition, { kind: 'map' }>;
  const rank = grid.axes.length;
  return {
    bound: null,
    rest: null,
    body: (inner, values, stores) => {
      const { axes } = d.tensor;
      const point = innerPoint(scope, root, axes.slice(0, rank), axes.slice(rank), grid, inner, state, values);
      const raw = point.value(d.body);
      const value = scope.hint(d.tensor.type === 'real' ? toF32(raw) : raw, d.tensor.name);
      values.set(d.tensor, value);
      stores.push(() => storeInto(scope, setting, d.tensor, point.index(axesAsScalars(axes)), value));
    },
    after: () => {},
  };
}

/** A rotation whose axes are those of the rows and of the pass, in any order. */
export function rotation(scope: Scope, setting: Setting, nest: RowsNest, root: Root, grid: Grid, state: State): Work {
  const d = root.definition as Extract<Definition, { kind: 'rotate' }>;
  const places = placesIn(d, nest)!;
  return {
    bound: null,
    rest: null,
    body: (inner, values, stores) => {
      const positions = [...grid.local, ...inner];
      const own = places.map((place) => positions[place]!);
      const at = indicesAt(scope, domainOf(d), own);
      const point = openPoint(scope, root.hints).with(at, [...state.row, ...values]);
      const index = at.map(([, expression]) => expression);
      const outer = index.slice(0, -1);
      for (const each of turned(scope, { ...root, definition: d }, point, outer, index.at(-1)!)) {
        stores.push(() => storeInto(scope, setting, d.tensor, each.index, each.value));
      }
      stores.push(() => passOthers(scope, d, outer, index.at(-1)!));
    },
    after: () => {},
  };
}

/**
 * 0: the largest; 1: exponentials and their sum, stored; 2: divided by it. A row with nothing to see is all 0. Where
 * storing rounds, 1 stores nothing and 2 makes the exponentials anew, so that each weight is rounded once.
 */
export function softmaxPart(scope: Scope, setting: Setting, root: Root, part: number, grid: Grid, state: State): Work {
  const d = root.definition as Extract<Definition, { kind: 'softmax' }>;
  const { axes, name } = d.tensor;
  const outer = axes.filter((axis) => axis !== d.over);
  const at = (inner: readonly Expression[], values: ReadonlyMap<Tensor, Expression>): Point =>
    innerPoint(scope, root, outer, [d.over], grid, inner, state, values);
  const index = (point: Point): Expression[] => point.index(axesAsScalars(axes));
  const bound = causalBound(scope, d.where, d.over, rowPoint(scope, root, outer, grid, state));
  const parts = softmaxState(state, d.tensor);
  const anew = setting.storage.get(d.tensor)?.type === 'bf16';
  const exponential = (point: Point, bounded: boolean): Expression => {
    const weight = scope.variable('weight', f32(0));
    const seen = scope.block(() => {
      const value = expandOp('exp', [subtract(point.real(d.body), parts.largest)]);
      scope.emit(assign(nameOf(weight), value));
    });
    scope.emit(...when(withoutBound(point, d.where, d.over, bounded), seen));
    return weight;
  };
  if (part === 0) {
    parts.largest = scope.variable(`${name}_largest`, lowest);
    return {
      bound,
      rest: null,
      body: (inner, values, _, bounded) => {
        const point = at(inner, values);
        const hidden = scope.block(() => {
          scope.emit(assign(nameOf(parts.largest), maximum(parts.largest, point.real(d.body))));
        });
        scope.emit(...when(withoutBound(point, d.where, d.over, bounded), hidden));
      },
      after: (lanes) => {
        if (lanes !== null) parts.largest = combine(scope, lanes, 'max', parts.largest);
      },
    };
  }
  if (part === 1) {
    parts.total = scope.variable(`${name}_sum`, f32(0));
    return {
      bound,
      rest: null,
      body: (inner, values, _, bounded) => {
        const point = at(inner, values);
        const weight = exponential(point, bounded);
        scope.emit(assign(nameOf(parts.total), add(parts.total, weight)));
        if (!anew) storeAt(scope, d.tensor, index(point), weight);
      },
      after: (lanes) => {
        const total = lanes === null ? parts.total : combine(scope, lanes, 'sum', parts.total);
        const safe = select(less(f32(0), total), total, f32(1));
        parts.scale = scope.bind(`${name}_scale`, divide(f32(1), safe));
      },
    };
  }
  return {
    bound,
    rest: (inner) => storeAt(scope, d.tensor, index(at(inner, new Map())), f32(0)),
    body: (inner, values, stores, bounded) => {
      const point = at(inner, values);
      const own: Scalar = { kind: 'read', type: 'real', tensor: d.tensor, index: axesAsScalars(axes), outside: null };
      const weight = multiply(anew ? exponential(point, bounded) : point.real(own), parts.scale);
      // Past the bound nothing has been stored yet: what is there is not a weight.
      const seen = anew || bounded || bound === null ? weight : select(point.value(d.where), weight, f32(0));
      const value = scope.hint(seen, name);
      values.set(d.tensor, value);
      stores.push(() => storeInto(scope, setting, d.tensor, index(point), value));
    },
    after: () => {},
  };
}
