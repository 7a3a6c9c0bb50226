// Points that a lane takes side by side: `for (k in 0 .. width) { all of one point }` comes in; the same work in lockstep goes
// out, where neighbouring loads and stores of all points are one access and what does not depend on k is done once.
// Points are independent of each other (lanes of other kernels run them in any order), so that only the order of what one
// point does matters: a load stays behind the stores before it to the same buffer, and nothing passes a barrier.

import type { Binding, Expression, Statement, ValueType } from '../kernel.ts';
import { add, element, i32, local, loop, multiply, storeElement } from '../kernel-build.ts';
import { inside, nestedIn } from '../map-expressions.ts';
import { replace } from '../unroll.ts';
import { namesIn, type Bindings, type Bound } from './linear.ts';
import { expressionsIn, loadsOf, namesSet, partsOf, storedIn, type Alike, type Part, type Run } from './lockstep.ts';
import { isDifferent, strideOf, vectorsOf, type Access, type Change, type Points, type Vector } from './vectors.ts';
import { childrenOf, rewriteStatement } from './walk-kernel.ts';

type Loop = Extract<Statement, { kind: 'for' }>;
type PrivateArray = { readonly name: string; readonly type: ValueType; readonly size: number };

export interface CoalesceOptions {
  readonly bindings: readonly Binding[];
  /** The variables of the loops over neighbouring points. */
  readonly variables: ReadonlySet<string>;
  /** Bytes of the widest access. */
  readonly access: number;
  readonly fresh: (wanted: string) => string;
}

/** How many vectors there are, and accesses of single elements that differ from point to point. */
export interface Tally {
  wide: number;
  loads: number;
  stores: number;
}

export interface Coalesced {
  readonly statements: readonly Statement[];
  readonly arrays: readonly PrivateArray[];
  readonly tally: Tally;
}

interface State {
  readonly options: CoalesceOptions;
  readonly arrays: PrivateArray[];
  readonly tally: Tally;
}

export function coalesce(statements: readonly Statement[], options: CoalesceOptions): Coalesced {
  const state: State = { options, arrays: [], tally: { wide: 0, loads: 0, stores: 0 } };
  const done = options.variables.size === 0 ? statements : within(statements, new Map(), state);
  return { statements: done, arrays: state.arrays, tally: state.tally };
}

/** Finds the loops over points; `outer`: what the names around them stand for. */
function within(statements: readonly Statement[], outer: Bindings, state: State): Statement[] {
  const names = new Map<string, Bound>(outer);
  return statements.flatMap((statement): readonly Statement[] => {
    if (statement.kind === 'let') names.set(statement.name, { kind: 'let', value: statement.value });
    if (statement.kind === 'for') {
      if (state.options.variables.has(statement.variable)) return lockstep(statement, names, state);
      const { variable, from, step } = statement;
      const inner = new Map([...names, [variable, { kind: 'loop', from, step }] as const]);
      return [{ ...statement, body: within(statement.body, inner, state) }];
    }
    return [
      rewriteStatement(
        statement,
        (e) => e,
        (block) => within(block, names, state),
      ),
    ];
  });
}

interface Region extends Points {
  /** Values of points that more than one run needs: their private arrays, by name. */
  readonly kept: ReadonlyMap<string, string>;
  readonly state: State;
}

function lockstep(points: Loop, outer: Bindings, state: State): readonly Statement[] {
  const { variable, to, body } = points;
  const width = to.kind === 'literal' ? to.value : 0;
  // What points add to a variable of around the loop is added point by point, in one run.
  const declared = new Map<string, Expression>();
  for (const each of nestedIn(body))
    if (each.kind === 'let' || each.kind === 'var') declared.set(each.name, each.value);
  const carries = namesSet(body).some((name) => !declared.has(name));
  const changes = new Map<string, Change>(namesSet(body).map((name) => [name, { kind: 'varies' }]));
  const names = new Map<string, Bound>(outer);
  const differs = (e: Expression): boolean => isDifferent(e, variable, changes);
  const alike: Alike = (statement) =>
    !carries &&
    (statement.kind === 'for'
      ? !differs(statement.from) && !differs(statement.to)
      : statement.kind === 'if' && !differs(statement.condition));
  noteChanges(body, { variable, changes, names, alike, together: true });
  const parts = partsOf(body, alike);
  if (parts === null || (carries && parts.length > 1)) {
    state.tally.stores += 1;
    return [points];
  }
  const kept = new Map<string, string>();
  for (const name of keptBetween(parts, changes)) {
    const array = state.options.fresh(`${name}_points`);
    kept.set(name, array);
    state.arrays.push({ name: array, type: declared.get(name)!.type, size: width });
  }
  return writeParts(parts, { variable, width, changes, names, kept, state });
}

interface Noting {
  readonly variable: string;
  readonly changes: Map<string, Change>;
  readonly names: Map<string, Bound>;
  readonly alike: Alike;
  /** The points come by together; where each comes by alone, an index is just a number. */
  readonly together: boolean;
}

function noteChanges(statements: readonly Statement[], noting: Noting): void {
  const { variable, changes, names, alike, together } = noting;
  for (const statement of statements) {
    const inner = (): Noting => ({ ...noting, together: together && alike(statement) });
    if (statement.kind === 'let') {
      const { name, value } = statement;
      if (isDifferent(value, variable, changes)) {
        const stride = together && value.type === 'i32' ? strideOf(value, noting) : null;
        changes.set(name, stride === null || stride === 0 ? { kind: 'varies' } : { kind: 'grows', stride });
      }
      names.set(name, { kind: 'let', value });
    } else if (statement.kind === 'var') changes.set(statement.name, { kind: 'varies' });
    else if (statement.kind === 'for') {
      const { from, step, body } = statement;
      if (!(together && alike(statement))) changes.set(statement.variable, { kind: 'varies' });
      names.set(statement.variable, { kind: 'loop', from, step });
      noteChanges(body, inner());
    } else if (statement.kind === 'if') {
      noteChanges(statement.then, inner());
      noteChanges(statement.otherwise, inner());
    }
  }
}

function runsIn(parts: readonly Part[]): readonly Run[] {
  return parts.flatMap((part) =>
    part.kind === 'run' ? [part] : runsIn(part.kind === 'for' ? part.body : [...part.then, ...part.otherwise]),
  );
}

/** Names that are bound in one run and used in another. */
function keptBetween(parts: readonly Part[], changes: ReadonlyMap<string, Change>): ReadonlySet<string> {
  const home = new Map<string, Run>();
  const kept = new Set<string>();
  const runs = runsIn(parts);
  for (const run of runs) {
    for (const each of run.statements) if (each.kind === 'let' || each.kind === 'var') home.set(each.name, run);
  }
  for (const run of runs) {
    const used = new Set(namesSet(run.statements));
    for (const statement of run.statements) for (const e of expressionsIn(statement)) namesIn(e, used);
    for (const name of used) {
      const own = home.get(name);
      if (own !== undefined && own !== run && changes.get(name)?.kind === 'varies') kept.add(name);
    }
  }
  return kept;
}

function writeParts(parts: readonly Part[], region: Region): Statement[] {
  return parts.flatMap((part): readonly Statement[] => {
    switch (part.kind) {
      case 'run':
        return writeRun(part, region);
      case 'for':
        return [{ ...part.statement, body: writeParts(part.body, region) }];
      case 'if': {
        const { statement, then, otherwise } = part;
        // oxlint-disable-next-line unicorn/no-thenable -- a branch, as in kernel.ts
        return [{ ...statement, then: writeParts(then, region), otherwise: writeParts(otherwise, region) }];
      }
      default:
        return part satisfies never;
    }
  });
}

const isSimple = (s: Statement): s is Extract<Statement, { kind: 'let' | 'var' | 'set' | 'store' }> =>
  s.kind === 'let' || s.kind === 'var' || s.kind === 'set' || s.kind === 'store';

/** One run in lockstep: what all points share and load, then each point, then what all points store. */
function writeRun({ statements: run }: Run, region: Region): Statement[] {
  const { variable, width, changes, kept, state } = region;
  const { bindings, access, fresh } = state.options;
  const k = local(variable, 'i32');
  // What a branch or a loop of one point stores is stored there, one by one.
  const apart = new Set(run.filter((each) => !isSimple(each)).flatMap(storedIn));
  const isInRow = ({ buffer }: Access): boolean => !apart.has(buffer);
  const simple = run.filter(isSimple);
  const array = (buffer: string): string => fresh(`${buffer}_vector`);
  const loads = simple.flatMap((each) => expressionsIn(each).flatMap((e) => loadsOf(e)));
  const loaded = vectorsOf(loads.filter(isInRow), region, { bindings, access, array });
  const stores = simple.flatMap((each) => (each.kind === 'store' ? [each] : []));
  const stored = vectorsOf(stores.filter(isInRow), region, { bindings, access, array });

  const elementOf = (vector: Vector, n: number): Expression => add(multiply(k, i32(vector.stride)), i32(n));
  const point = (e: Expression): Expression => {
    if (e.kind === 'local') {
      const array = kept.get(e.name);
      if (array !== undefined) return element(array, k, e.type);
      const change = changes.get(e.name);
      return change?.kind === 'grows' ? add(e, multiply(k, i32(change.stride))) : e;
    }
    if (e.kind === 'load') {
      const found = loaded.find(e);
      if (found !== null) return element(found.vector.array, elementOf(found.vector, found.element), e.type);
      if (isDifferent(e.index, variable, changes)) state.tally.loads += 1;
    }
    return inside(e, point);
  };

  const before: Statement[] = [];
  const each: Statement[] = [];
  const after: Statement[] = [];
  const done = new Set<Vector>();
  const loadFirst = (e: Expression): void => {
    const found = e.kind === 'load' ? loaded.find(e) : null;
    if (found !== null && !done.has(found.vector)) {
      done.add(found.vector);
      before.push(...elements('load-elements', found.vector, state));
    }
    for (const child of childrenOf(e)) loadFirst(child);
  };
  const keep = (statement: Statement): Statement =>
    'name' in statement && kept.has(statement.name)
      ? storeElement(kept.get(statement.name)!, k, statement.value)
      : statement;
  const alone = (statement: Statement): Statement => {
    if (statement.kind === 'store' && isDifferent(statement.index, variable, changes)) state.tally.stores += 1;
    return keep(rewriteStatement(statement, point, (block) => block.map(alone)));
  };
  for (const statement of run) {
    if (isSimple(statement)) for (const e of expressionsIn(statement)) loadFirst(e);
    if (statement.kind === 'let' && changes.get(statement.name) === undefined) before.push(statement);
    else if (statement.kind === 'let' && changes.get(statement.name)!.kind === 'grows') {
      before.push({ ...statement, value: replace(statement.value, variable, i32(0)) });
    } else if (statement.kind === 'store') {
      const found = stored.find(statement);
      if (found === null) {
        each.push(alone(statement));
        continue;
      }
      each.push(storeElement(found.vector.array, elementOf(found.vector, found.element), point(statement.value)));
      if (!done.has(found.vector)) {
        done.add(found.vector);
        after.push(...elements('store-elements', found.vector, state));
      }
    } else if (statement.kind === 'comment') before.push(statement);
    else each.push(alone(statement));
  }
  const body = each.length === 0 ? [] : [loop(variable, i32(0), i32(width), each, { mode: 'unrolled' })];
  return [...before, ...body, ...after];
}

/** The accesses of a vector; declares its array. */
function elements(kind: 'load-elements' | 'store-elements', vector: Vector, state: State): readonly Statement[] {
  const { array: name, type, size, buffer, index, count } = vector;
  state.arrays.push({ name, type, size });
  state.tally.wide += 1;
  return Array.from({ length: size / count }, (_, n) => ({
    kind,
    buffer,
    index: add(index, i32(n * count)),
    array: name,
    at: n * count,
    count,
  }));
}
