// A nest of rows -> one kernel: independent points, or rows whose reductions run over the inner axes in as many passes as
// they depend on each other. A lane a row, or the lanes of a workgroup together on one row.

import type { Axis, Definition, Tensor } from '../../src/ir/ir.ts';
import { domainOf, readsOf, scalarsOf } from '../../src/ir/visit.ts';
import type { Expression } from '../kernel.ts';
import { add, barrier, equal, i32, laneIndex, local, loop, toF32, when } from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import type { Root, RowsNest } from '../plan/nest.ts';
import type { Profile } from '../plan/plan.ts';
import { nominal } from '../plan/size.ts';
import type { Lanes } from './combine.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting } from './draft.ts';
import { eachPoint, groupGrid, indicesAt, laneCount, laneGroups, laneNumber, lanesInGroup, pointsOf } from './grid.ts';
import { pointMap, reduction, rotation, rowPoint, softmaxPart, type State, type Work } from './row-work.ts';
import { extentOf, type Grid, type Scope } from './scope.ts';
import { axesAsScalars, storeInto } from './store.ts';
import { passOthers, turned } from './turn.ts';
import { busy, busyRows, widest, widthOf } from './width.ts';

export function lowerRows(nest: RowsNest, setting: Setting): Draft {
  const wanted = buffersOf(nest.members, setting);
  const name = setting.kernelName(nameOf(nest.members));
  const rows = pointsOf(nest.grid);
  const made = profilesFor(nest, setting).map((profile) => {
    const together = profile !== 'software';
    const { way, written } = widest(waysOf(nest, setting, together), ({ points, steps }) => {
      const lanes = together ? lanesForRow(nest, setting, steps) : setting.options.lanes;
      return writeBody(setting, name, lanes, wanted, (scope) => {
        if (together) {
          const shared: Lanes = { count: lanes, subgroups: profile === 'subgroups' };
          writeRows(scope, nest, setting, groupGrid(scope, nest.grid), { lanes: shared, steps, mode: 'serial' });
        } else {
          const flat = laneNumber(scope, laneCount(nest.grid, points));
          const walk: Walk = { lanes: null, steps, mode: 'serial' };
          eachPoint(scope, nest.grid, flat, points, (grid) => writeRows(scope, nest, setting, grid, walk));
        }
      });
    });
    const { body, buffers } = written;
    const groups = together ? rows : laneGroups(pointsOf(nest.grid, way.points), setting.options.lanes);
    return { variant: variant(profile, groups, body), buffers };
  });
  return {
    name,
    comment: describe(nest.members),
    definitions: nest.members.map((root) => root.definition),
    buffers: made[0]!.buffers,
    variants: made.map((each) => each.variant),
    flops: flopsOf(nest.members),
  };
}

/** A kernel's name: the first tensors that it makes. */
export const nameOf = (members: readonly Root[]): string =>
  members
    .map(({ definition }) => definition.tensor.name)
    .slice(0, 3)
    .join('_');

/** Neighbouring rows, or neighbouring steps of a row, that a lane takes side by side. */
interface Way {
  readonly points: number;
  readonly steps: number;
}

function waysOf(nest: RowsNest, setting: Setting, together: boolean): readonly Way[] {
  const ways: Way[] = [];
  const rotates = nest.members.some(({ definition }) => definition.kind === 'rotate');
  const least = nest.inner.length === 0 || rotates ? busy : busyRows;
  const points = together ? 1 : widthOf(nest.grid, nest.members, setting, least);
  if (points > 1) ways.push({ points, steps: 1 });
  const steps = nest.inner.length === 0 ? 1 : widthOf(nest.inner, nest.members, setting, 1);
  if (steps > 1) ways.push({ points: 1, steps });
  return [...ways, { points: 1, steps: 1 }];
}

const rowLength = (nest: RowsNest): number => nest.inner.reduce((all, axis) => all * nominal(axis.extent), 1);

/** No more lanes than a row has work for. */
function lanesForRow(nest: RowsNest, setting: Setting, steps: number): number {
  const needed = 2 ** Math.ceil(Math.log2(rowLength(nest) / steps));
  return Math.min(setting.options.lanes, Math.max(lanesInGroup, needed));
}

/** Rows of more than this are shared by the lanes of a workgroup. */
const longRow = 64;

function profilesFor(nest: RowsNest, setting: Setting): readonly Profile[] {
  if (nest.inner.length === 0 || nest.members.some(({ definition }) => definition.kind === 'rotate'))
    return ['software'];
  switch (setting.options.rows) {
    case 'thread':
      return ['software'];
    case 'workgroup':
      return ['portable'];
    case 'subgroup':
      return ['subgroups'];
    case 'auto': {
      return rowLength(nest) <= longRow ? ['software'] : ['software', 'portable', 'subgroups'];
    }
    default:
      return setting.options.rows satisfies never;
  }
}

interface Timed {
  readonly root: Root;
  /** The pass over the inner axes (or, for what is computed once a row, the place before it) in which it starts. */
  readonly start: number;
  /** From which pass on its value is known. */
  readonly known: number;
  readonly kind: 'point' | 'row' | 'reduce' | 'softmax';
}

function timetable(nest: RowsNest): Timed[] {
  const known = new Map<Tensor, number>();
  return nest.members.map((root) => {
    const d = root.definition;
    const reads = readsOf(scalarsOf(d)).map((read) => known.get(read.tensor) ?? 0);
    const start = Math.max(0, ...reads);
    const kind =
      d.kind === 'reduce'
        ? 'reduce'
        : d.kind === 'softmax'
          ? 'softmax'
          : nest.inner.length > 0 && domainOf(d).length === nest.grid.length
            ? 'row'
            : 'point';
    const end = start + (kind === 'reduce' ? 1 : kind === 'softmax' ? 2 : 0);
    known.set(d.tensor, end);
    return { root, start, known: end, kind };
  });
}

/** How the inner axes of a row are walked. */
export interface Walk {
  /** The lanes of a workgroup that share the row. */
  readonly lanes: Lanes | null;
  /** Neighbours that a lane takes at once. */
  readonly steps: number;
  /** Of the loop over the last axis. vector: what rotations do not turn is somebody else's work. */
  readonly mode: 'serial' | 'vector';
}

/** A row, or a point: all members of the nest there. */
export function writeRows(scope: Scope, nest: RowsNest, setting: Setting, grid: Grid, walk: Walk): void {
  const { lanes } = walk;
  const table = timetable(nest);
  const state: State = { row: new Map(), softmax: new Map() };
  const passes = Math.max(0, ...table.map(({ known }) => known));
  const single = nest.inner.length === 0;
  for (let pass = 0; pass <= passes; pass += 1) {
    for (const { root, start, kind } of table) {
      if (kind === 'row' && start === pass) writeRowMap(scope, setting, root, grid, state, lanes);
    }
    if (single) writePoint(scope, setting, table, grid, walk);
    else writePass(scope, nest, setting, table, pass, grid, state, walk);
  }
}

const onlyFirst = (lanes: Lanes | null, scope: Scope, write: () => void): void => {
  if (lanes === null) write();
  else scope.emit(...when(equal(laneIndex, i32(0)), scope.block(write)));
};

function putRow(
  scope: Scope,
  setting: Setting,
  tensor: Tensor,
  index: readonly Expression[],
  value: Expression,
  lanes: Lanes | null,
): void {
  if (setting.registers.has(tensor)) return;
  onlyFirst(lanes, scope, () => storeInto(scope, setting, tensor, index, value));
}

function writeRowMap(scope: Scope, setting: Setting, root: Root, grid: Grid, state: State, lanes: Lanes | null): void {
  const d = root.definition as Extract<Definition, { kind: 'map' }>;
  const point = rowPoint(scope, root, d.tensor.axes, grid, state);
  const raw = point.value(d.body);
  const value = scope.bind(d.tensor.name, d.tensor.type === 'real' ? toF32(raw) : raw);
  state.row.set(d.tensor, value);
  const home = setting.storage.get(d.tensor);
  // Every lane has read what one of them is about to overwrite.
  if (
    lanes !== null &&
    readsOf([d.body]).some(({ tensor }) => home !== undefined && setting.storage.get(tensor) === home)
  )
    scope.emit(barrier);
  putRow(scope, setting, d.tensor, point.index(axesAsScalars(d.tensor.axes)), value, lanes);
}

/** A nest without inner axes: every member at one point, all values before all stores. */
function writePoint(scope: Scope, setting: Setting, table: readonly Timed[], grid: Grid, walk: Walk): void {
  const values = new Map<Tensor, Expression>();
  const stores: (() => void)[] = [];
  for (const { root } of table) {
    const d = root.definition;
    const domain = domainOf(d);
    const at = indicesAt(scope, domain, grid.local);
    const point = openPoint(scope, root.hints).with(at, values);
    const index = at.map(([, expression]) => expression);
    if (d.kind === 'rotate') {
      const outer = index.slice(0, -1);
      for (const each of turned(scope, { ...root, definition: d }, point, outer, index.at(-1)!)) {
        stores.push(() => storeInto(scope, setting, d.tensor, each.index, each.value));
      }
      if (walk.mode === 'serial') stores.push(() => passOthers(scope, d, outer, index.at(-1)!));
    } else if (d.kind === 'map') {
      const raw = point.value(d.body);
      const value = scope.hint(d.tensor.type === 'real' ? toF32(raw) : raw, d.tensor.name);
      values.set(d.tensor, value);
      if (!setting.registers.has(d.tensor)) {
        stores.push(() => storeInto(scope, setting, d.tensor, index, value));
      }
    } else {
      throw new Error(`'${d.tensor.name}' is no map`);
    }
  }
  for (const store of stores) store();
}

/** One pass over the inner axes: reductions that start now, later parts of softmax, and maps whose values are known. */
function writePass(
  scope: Scope,
  nest: RowsNest,
  setting: Setting,
  table: readonly Timed[],
  pass: number,
  grid: Grid,
  state: State,
  walk: Walk,
): void {
  const { lanes, steps } = walk;
  const work: Work[] = [];
  for (const timed of table) {
    const { root, start, kind } = timed;
    const part = pass - start;
    if (kind === 'reduce' && part === 0) work.push(reduction(scope, root, grid, state));
    if (kind === 'softmax' && part >= 0 && part <= 2) work.push(softmaxPart(scope, setting, root, part, grid, state));
    if (kind === 'point' && part === 0) {
      const rotates = root.definition.kind === 'rotate';
      work.push(
        rotates ? rotation(scope, setting, nest, root, grid, state) : pointMap(scope, setting, root, grid, state),
      );
    }
  }
  if (work.length === 0) return;
  const values = new Map<Tensor, Expression>();
  const bounds = work.map((each) => each.bound);
  const bound =
    bounds[0] !== undefined && bounds.every((each) => each !== null && same(each, bounds[0]!)) ? bounds[0]! : null;
  const inBound = bound === null ? null : scope.bind('end', bound);
  const mode = work.some((each) => each.ordered) ? 'serial' : walk.mode;
  overInner(scope, nest.inner, { lanes, steps: inBound === null ? steps : 1, mode }, null, inBound, (inner) => {
    const stores: (() => void)[] = [];
    for (const each of work) each.body(inner, values, stores, inBound !== null);
    for (const store of stores) store();
  });
  if (inBound !== null && work.some((each) => each.rest !== null)) {
    overInner(scope, nest.inner, { ...walk, steps: 1 }, inBound, null, (inner) => {
      for (const each of work) each.rest?.(inner);
    });
  }
  for (const each of work) each.after(lanes);
  for (const { root, kind, known } of table) {
    if (kind !== 'reduce' || known !== pass + 1) continue;
    const { tensor } = root.definition;
    const index = rowPoint(scope, root, tensor.axes, grid, state).index(axesAsScalars(tensor.axes));
    putRow(scope, setting, tensor, index, state.row.get(tensor)!, lanes);
  }
}

const same = (a: Expression, b: Expression): boolean => JSON.stringify(a) === JSON.stringify(b);

/** A loop over the inner axes, some steps at once; shared by the lanes of a workgroup, or all of it by one lane. */
function overInner(
  scope: Scope,
  inner: readonly Axis[],
  { lanes, steps: width, mode }: Walk,
  from: Expression | null,
  to: Expression | null,
  write: (inner: readonly Expression[]) => void,
): void {
  if (lanes !== null) {
    const name = scope.fresh(inner.length === 1 ? inner[0]!.name : 'item');
    const begin = from === null ? laneIndex : add(from, laneIndex);
    const body = scope.block(() => eachPoint(scope, inner, local(name, 'i32'), width, (grid) => write(grid.local)));
    scope.emit(loop(name, begin, to ?? laneCount(inner, width), body, { step: lanes.count }));
    return;
  }
  const nested = (k: number, positions: readonly Expression[]): void => {
    if (k === inner.length) return write(positions);
    const axis = inner[k]!;
    if (k === inner.length - 1 && width > 1) {
      const each = (group: Expression): void =>
        eachPoint(scope, [axis], group, width, (grid) => write([...positions, grid.local[0]!]));
      if (axis.extent === width) return each(i32(0));
      const group = scope.fresh(`${axis.name}_group`);
      const last = scope.block(() => each(local(group, 'i32')));
      return scope.emit(loop(group, i32(0), laneCount([axis], width), last));
    }
    const name = scope.fresh(axis.name);
    const position = local(name, 'i32');
    const body = scope.block(() => nested(k + 1, [...positions, position]));
    const last = k === inner.length - 1;
    scope.emit(loop(name, from ?? i32(0), to ?? extentOf(axis.extent), body, { mode: last ? mode : 'serial' }));
  };
  nested(0, []);
}
