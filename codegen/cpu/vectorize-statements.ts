// Statements of one step of a loop -> the same for four neighbouring steps. Where the steps part, values are chosen by a
// mask, and what must not happen in the others is masked; a dear branch is left out where no step takes it.

import type { Binding, Expression, KernelFunction, Statement } from '../kernel.ts';
import {
  across,
  add,
  and,
  assign,
  call,
  i32,
  letOf,
  local,
  loop,
  not,
  select,
  shuffle,
  store,
  storeElement,
  varOf,
  when,
} from '../kernel-build.ts';
import { componentOf, vectorOf } from '../kernel-ops.ts';
import { accumulationOf, expressionsOf, nestedIn, partsOf } from '../map-expressions.ts';
import type { Bound } from '../simt/linear.ts';
import { analyse, costOf, type Region } from './vectorize-analysis.ts';
import { homeOf, slotOf, type Access, type Half, type Pairs, type StoreTo } from './vectorize-pairs.ts';
import { onlyValue, shapeOf, widen, type Place, type Shape } from './vectorize-values.ts';

export interface Writing {
  readonly region: Region;
  readonly fresh: (wanted: string) => string;
  /** The new name of what the body binds. */
  readonly rename: (name: string) => string;
  readonly buffers: readonly Binding[];
  readonly pairs: Pairs;
  /** The vectors that variables of outside are accumulated in. */
  readonly accumulators: ReadonlyMap<string, Expression & { readonly kind: 'local' }>;
  readonly wide: (of: KernelFunction) => KernelFunction;
  readonly shapes: Map<string, Shape>;
  readonly bindings: Map<string, Bound>;
  /** New names of variables: what is bound to one keeps the value that it has then. */
  readonly variables: Set<string>;
}

export function writeSteps(statements: readonly Statement[], writing: Writing, mask: Expression | null): Statement[] {
  const held = new Map<StoreTo, StoreTo>(); // the first store of a pair, by the second
  const write = (statement: Statement, n: number, place: Place): readonly Statement[] => {
    if (statement.kind !== 'store' && statement.kind !== 'store-element') return writeStep(statement, writing, place);
    const first = held.get(statement);
    if (first !== undefined) return storePair(first, statement, writing, place);
    const second = mask === null ? secondOf(statement, statements.slice(n + 1), writing, place) : null;
    if (second === null) return storeSteps(statement, place);
    const name = writing.fresh('beside');
    const value = widen(shapeOf(statement.value, place));
    writing.shapes.set(name, { kind: 'each', value: local(name, value.type) });
    held.set(second, { ...statement, value: local(name, componentOf(value.type)) });
    return [letOf(name, value)];
  };
  return statements.flatMap((statement, n) => {
    const before: Statement[] = [];
    const written = write(statement, n, placeOf(writing, mask, before));
    return [...before, ...written];
  });
}

/** `before` takes the statements that an expression needs. */
function placeOf(writing: Writing, mask: Expression | null, before: Statement[]): Place {
  const { shapes, bindings, buffers, wide, pairs } = writing;
  const isPaired = (e: Access): Half | null => {
    const { key, constant } = slotOf(e, bindings);
    return pairs.get(key)?.get(constant) ?? null;
  };
  const inPlace = (of: KernelFunction, args: readonly Shape[]): Shape => {
    const varying = of.parameters.flatMap(({ name }, n) => (args[n]!.kind === 'same' ? [] : [name]));
    const inner: Writing = {
      ...writing,
      region: analyse(of.body, varying)!,
      rename: (name) => writing.fresh(`${name}_x4`),
      pairs: new Map(),
      accumulators: new Map(),
      shapes: new Map(of.parameters.map(({ name }, n) => [name, bound(name, args[n]!, writing, before)])),
      bindings: new Map(),
    };
    before.push(...writeSteps(of.body, inner, mask));
    return shapeOf(of.value, placeOf(inner, mask, before));
  };
  return { shapes, bindings, mask, buffers, isPaired, wide, inPlace };
}

/** An argument by a name, unless it is the same in all steps: that is bound outside of the loop. */
function bound(wanted: string, shape: Shape, writing: Writing, before: Statement[]): Shape {
  if (shape.kind !== 'each' || isName(shape.value)) return shape;
  const name = writing.fresh(`${wanted}_x4`);
  before.push(letOf(name, shape.value));
  return { kind: 'each', value: local(name, shape.value.type) };
}

const isName = (e: Expression): boolean => e.kind === 'local' || e.kind === 'literal' || e.kind === 'size';

function writeStep(statement: Statement, writing: Writing, place: Place): readonly Statement[] {
  const { region, shapes, bindings, accumulators, variables } = writing;
  const { mask } = place;
  switch (statement.kind) {
    case 'let': {
      const shape = shapeOf(statement.value, place);
      bindings.set(statement.name, { kind: 'let', value: statement.value });
      const value = shape.kind === 'steps' ? shape.first : shape.value;
      if (isName(value) && !(value.kind === 'local' && variables.has(value.name))) {
        shapes.set(statement.name, shape);
        return [];
      }
      const name = writing.rename(statement.name);
      bindings.set(name, { kind: 'let', value });
      const bound = local(name, value.type);
      shapes.set(statement.name, shape.kind === 'steps' ? { ...shape, first: bound } : { ...shape, value: bound });
      return [letOf(name, value)];
    }
    case 'var': {
      const shape = shapeOf(statement.value, place);
      const name = writing.rename(statement.name);
      variables.add(name);
      const varying = region.varying.has(statement.name);
      const value = varying ? widen(shape) : onlyValue(shape);
      shapes.set(statement.name, { kind: varying ? 'each' : 'same', value: local(name, value.type) });
      return [varOf(name, value)];
    }
    case 'set': {
      const total = accumulators.get(statement.name);
      if (total !== undefined) {
        const { op, value } = accumulationOf(statement)!;
        return [setWhere(mask, total, call(op, total, widen(shapeOf(value, place))))];
      }
      const shape = shapeOf(statement.value, place);
      const variable = shapes.get(statement.name)!;
      if (variable.kind === 'steps' || variable.value.kind !== 'local') throw new Error('a variable has a name');
      if (variable.kind === 'same') return [assign(variable.value.name, onlyValue(shape))];
      return [setWhere(mask, variable.value, widen(shape))];
    }
    case 'store':
    case 'store-element':
      return storeSteps(statement, place);
    case 'for': {
      const [from, to] = [onlyValue(shapeOf(statement.from, place)), onlyValue(shapeOf(statement.to, place))];
      const variable = writing.rename(statement.variable);
      const bound: Bound = { kind: 'loop', from, step: statement.step };
      bindings.set(statement.variable, bound);
      bindings.set(variable, bound);
      shapes.set(statement.variable, { kind: 'same', value: local(variable, 'i32') });
      const mode = statement.mode === 'unrolled' ? 'unrolled' : 'serial';
      return [loop(variable, from, to, writeSteps(statement.body, writing, mask), { step: statement.step, mode })];
    }
    case 'if': {
      const parted = uniformPart(statement, place);
      if (parted !== null) return writeStep(parted, writing, place);
      const shape = shapeOf(statement.condition, place);
      if (shape.kind === 'same') {
        const then = writeSteps(statement.then, writing, mask);
        return when(shape.value, then, writeSteps(statement.otherwise, writing, mask));
      }
      const name = writing.fresh('holds');
      const holds = local(name, 'boolx4');
      const [then, otherwise] = [statement.then, statement.otherwise].map((branch, n) => {
        const side = n === 0 ? holds : not(holds);
        return branch.length === 0 ? [] : writeBranch(branch, writing, mask === null ? side : and(mask, side));
      });
      return [letOf(name, widen(shape)), ...then!, ...otherwise!];
    }
    case 'comment':
      return [statement];
    case 'load-elements':
    case 'store-elements':
    case 'store-shared':
    case 'barrier':
    case 'return':
      throw new Error(`${statement.kind} is not of neighbouring steps`);
    default:
      return statement satisfies never;
  }
}

/** `if (a and b)` as a branch in a branch, where a is the same in all steps. */
function uniformPart(statement: Extract<Statement, { kind: 'if' }>, place: Place): Statement | null {
  const { condition, then, otherwise } = statement;
  if (condition.kind !== 'call' || condition.op !== 'and' || otherwise.length > 0) return null;
  const [a, b] = condition.args as [Expression, Expression];
  const [first, second] = [a, b].map((each) => shapeOf(each, { ...place, inPlace: unknown }).kind === 'same');
  if (first === second) return null;
  // oxlint-disable-next-line unicorn/no-thenable -- a branch, as in kernel.ts
  const inner: Statement = { kind: 'if', condition: first ? b : a, then, otherwise };
  // oxlint-disable-next-line unicorn/no-thenable -- as above
  return { kind: 'if', condition: first ? a : b, then: [inner], otherwise };
}

const unknown = (of: KernelFunction): Shape => ({
  kind: 'each',
  value: local('unknown', vectorOf(componentOf(of.result))),
});

function setWhere(mask: Expression | null, variable: Expression & { kind: 'local' }, value: Expression): Statement {
  return assign(variable.name, mask === null ? value : select(mask, value, variable));
}

/** More than this is worth a test whether any step takes the branch. */
const cheap = 8;

function writeBranch(branch: readonly Statement[], writing: Writing, condition: Expression): readonly Statement[] {
  const bound = condition.kind === 'local' ? null : writing.fresh('holds');
  const mask = bound === null ? condition : local(bound, 'boolx4');
  const written = writeSteps(branch, writing, mask);
  const before = bound === null ? [] : [letOf(bound, condition)];
  // What is read, or divided, for all steps alike must not be for none.
  const touches = [...nestedIn(branch)].some(
    (each) => each.kind === 'store' || each.kind === 'store-element' || expressionsOf(each).some(canFail),
  );
  return [...before, ...(touches || costOf(branch) > cheap ? when(across('any', mask), written) : written)];
}

/** Outside of an array, or by dividing by zero. */
function canFail(e: Expression): boolean {
  if (e.kind === 'load' || e.kind === 'element') return true;
  if (e.kind === 'apply' && e.args.some(({ type }) => type === 'i32')) return true;
  if (e.kind === 'call' && (e.op === 'quotient' || e.op === 'remainder') && e.args[1]!.kind !== 'literal') return true;
  return partsOf(e).some(canFail);
}

// ---- stores

function storeAt(to: StoreTo, index: Expression, value: Expression, mask?: Expression): Statement {
  return to.kind === 'store' ? store(to.buffer, index, value, mask) : storeElement(to.array, index, value, mask);
}

function storeSteps(statement: StoreTo, place: Place): Statement[] {
  const index = shapeOf(statement.index, place);
  const value = widen(shapeOf(statement.value, place));
  const at = index.kind === 'steps' && index.stride === 1 ? index.first : widen(index);
  return [storeAt(statement, at, value, place.mask ?? undefined)];
}

/** The store to the element beside that of this one, in every step; nothing between them reads what they write. */
function secondOf(first: StoreTo, after: readonly Statement[], writing: Writing, place: Place): StoreTo | null {
  const bindings = new Map(writing.bindings);
  const index = shapeOf(first.index, { ...place, inPlace: unknown });
  if (index.kind !== 'steps' || index.stride !== 2) return null;
  const { key, constant } = slotOf(first, bindings);
  const touches = (e: Expression): boolean =>
    ((e.kind === 'load' || e.kind === 'element') && homeOf(e) === homeOf(first)) || partsOf(e).some(touches);
  for (const each of after) {
    if (each.kind === 'let') bindings.set(each.name, { kind: 'let', value: each.value });
    if ([...nestedIn([each])].some((inner) => expressionsOf(inner).some(touches))) return null;
    if ((each.kind === 'store' || each.kind === 'store-element') && homeOf(each) === homeOf(first)) {
      const other = slotOf(each, bindings);
      return other.key === key && Math.abs(other.constant - constant) === 1 ? each : null;
    }
    if (each.kind === 'for' || each.kind === 'if' || each.kind === 'set') return null;
  }
  return null;
}

/** Both halves of four pairs: two accesses. */
function storePair(one: StoreTo, other: StoreTo, writing: Writing, place: Place): Statement[] {
  const constant = (to: StoreTo): number => slotOf(to, writing.bindings).constant;
  const [first, second] = constant(one) < constant(other) ? [one, other] : [other, one];
  const index = shapeOf(first.index, place);
  if (index.kind !== 'steps') throw new Error('the stores of pairs grow by two');
  const [a, b] = [first, second].map(({ value }) => widen(shapeOf(value, place)));
  const names = [a, b].map((value) => (value!.kind === 'local' ? null : writing.fresh('beside')));
  const [low, high] = [a, b].map((value, n) => (names[n] === null ? value! : local(names[n]!, value!.type)));
  return [
    ...[a, b].flatMap((value, n) => (names[n] === null ? [] : [letOf(names[n]!, value!)])),
    storeAt(first, index.first, shuffle(low!, high!, [0, 4, 1, 5])),
    storeAt(first, add(index.first, i32(4)), shuffle(low!, high!, [2, 6, 3, 7])),
  ];
}

// ---- helpers

/** A helper for vectors: every parameter is one, and branches are selects. */
export function wideFunctions(): (of: KernelFunction) => KernelFunction {
  const made = new Map<KernelFunction, KernelFunction>();
  const wide = (of: KernelFunction): KernelFunction => {
    const known = made.get(of);
    if (known !== undefined) return known;
    const names = of.parameters.map(({ name }) => name);
    const region = analyse(of.body, names);
    if (region === null) throw new Error(`${of.name} is not for vectors`);
    const parameters = of.parameters.map(({ name, type }) => ({ name, type: vectorOf(componentOf(type)) }));
    let count = 0;
    const writing: Writing = {
      region,
      fresh: (wanted) => `${wanted}_v${(count += 1)}`,
      rename: (name) => name,
      buffers: [],
      pairs: new Map(),
      accumulators: new Map(),
      wide,
      shapes: new Map(parameters.map(({ name, type }) => [name, { kind: 'each', value: local(name, type) }])),
      bindings: new Map(),
      variables: new Set(),
    };
    const body = writeSteps(of.body, writing, null);
    const value = widen(shapeOf(of.value, placeOf(writing, null, body)));
    const result = { name: `${of.name}_x4`, parameters, result: value.type, body, value };
    made.set(of, result);
    return result;
  };
  return wide;
}
