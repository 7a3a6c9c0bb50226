// `vector` loops -> loops over vectors of four, and loops over what is left. Statements with such loops come in; statements
// with serial and unrolled loops alone go out. What is accumulated is added up in the same order for the same number of
// steps: in up to four vectors side by side, then those, then across, then the steps that are left.

import type { Binding, Expression, KernelFunction, Statement } from '../kernel.ts';
import {
  across,
  add,
  assign,
  call,
  f32,
  i32,
  letOf,
  local,
  loop,
  maximum,
  splat,
  subtract,
  varOf,
} from '../kernel-build.ts';
import { vectorOf } from '../kernel-ops.ts';
import { nestedIn, type Accumulation } from '../map-expressions.ts';
import type { Bindings, Bound } from '../simt/linear.ts';
import { analyse, costOf, type Region } from './vectorize-analysis.ts';
import { pairsIn } from './vectorize-pairs.ts';
import { wideFunctions, writeSteps } from './vectorize-statements.ts';
import { isNonNegative } from './vectorize-values.ts';

type Loop = Extract<Statement, { kind: 'for' }>;
type Local = Extract<Expression, { kind: 'local' }>;

export interface VectorizeOptions {
  readonly bindings: readonly Binding[];
  readonly fresh: (wanted: string) => string;
}

interface State extends VectorizeOptions {
  readonly wide: (of: KernelFunction) => KernelFunction;
}

export function vectorize(statements: readonly Statement[], options: VectorizeOptions): Statement[] {
  if (![...nestedIn(statements)].some(isVectorLoop)) return [...statements];
  return within(statements, new Map(), { ...options, wide: wideFunctions() });
}

const isVectorLoop = (statement: Statement): boolean => statement.kind === 'for' && statement.mode === 'vector';

/** Finds the loops; `outer`: what the names around them stand for. */
function within(statements: readonly Statement[], outer: Bindings, state: State): Statement[] {
  const names = new Map<string, Bound>(outer);
  return statements.flatMap((statement): readonly Statement[] => {
    switch (statement.kind) {
      case 'let':
        names.set(statement.name, { kind: 'let', value: statement.value });
        return [statement];
      case 'for': {
        const { variable, from, step } = statement;
        const inner = new Map([...names, [variable, { kind: 'loop', from, step }] as const]);
        const body = within(statement.body, inner, state);
        if (statement.mode !== 'vector') return [{ ...statement, body }];
        // An inner loop that became one of vectors keeps this one from it.
        return groupsOf({ ...statement, body }, inner, state) ?? [{ ...statement, mode: 'serial', body }];
      }
      case 'if':
        return [
          {
            ...statement,
            // oxlint-disable-next-line unicorn/no-thenable -- a branch, as in kernel.ts
            then: within(statement.then, names, state),
            otherwise: within(statement.otherwise, names, state),
          },
        ];
      default:
        return [statement];
    }
  });
}

/** A variable of outside, and the vectors that it is accumulated in. */
interface Total {
  readonly name: string;
  readonly op: Accumulation['op'];
  readonly type: 'f32' | 'i32';
  readonly parts: readonly Local[];
}

/** null: the steps are taken one by one. */
function groupsOf(statement: Loop, outer: Bindings, state: State): readonly Statement[] | null {
  const { variable, from, to, body } = statement;
  const steps = from.kind === 'literal' && to.kind === 'literal' ? to.value - from.value : null;
  if (steps !== null && steps < 4) return null;
  const region = analyse(body, [variable]);
  if (region === null) return null;
  const totals = totalsOf(body, region, steps, state);
  const width = totals[0]?.parts.length ?? 1;

  const names = new Map<string, Bound>(outer);
  const before: Statement[] = [];
  const bind = (wanted: string, value: Expression): Expression => {
    const isFixed = value.kind === 'local' && names.has(value.name);
    if (value.kind === 'literal' || value.kind === 'size' || isFixed) return value;
    const name = state.fresh(wanted);
    before.push(letOf(name, value));
    names.set(name, { kind: 'let', value });
    return local(name, 'i32');
  };
  const start = bind('start', from);
  const end = bind('end', to);
  const count = subtract(end, start);
  const isCount = isNonNegative(subtract(to, from), outer);
  const wholeGroups = (size: number): Expression =>
    bind('whole', add(start, call('bit_and', isCount ? count : maximum(count, i32(0)), i32(-size))));
  const middle = width > 1 ? wholeGroups(4 * width) : start;
  const last = wholeGroups(4);
  const isExact = same(last, end);

  const rename = isExact && width === 1 ? (name: string) => name : (name: string) => state.fresh(`${name}_x4`);
  const pairs = pairsIn(body, variable, names);
  const groups = (first: Expression, past: Expression, copies: number): readonly Statement[] => {
    const group = (at: Expression, part: number, bindings: Bindings): Statement[] =>
      writeSteps(
        body,
        {
          region,
          fresh: state.fresh,
          rename,
          buffers: state.bindings,
          pairs,
          accumulators: new Map(totals.map(({ name, parts }) => [name, parts[part]!])),
          wide: state.wide,
          shapes: new Map([[variable, { kind: 'steps', first: at, stride: 1 }]]),
          bindings: new Map(bindings),
          variables: new Set(),
        },
        null,
      );
    const all = (at: Expression, bindings: Bindings): Statement[] =>
      Array.from({ length: copies }, (_, part) => group(add(at, i32(4 * part)), part, bindings)).flat();
    if (same(first, past)) return [];
    if (same(add(first, i32(4 * copies)), past)) return all(first, names);
    const name = rename(variable);
    const step = 4 * copies;
    const inner = new Map([...names, [name, { kind: 'loop', from: first, step }] as const]);
    return [loop(name, first, past, all(local(name, 'i32'), inner), { step })];
  };
  const vectors = [...(width > 1 ? groups(start, middle, width) : []), ...groups(middle, last, 1)];
  const rest = isExact ? [] : [loop(variable, last, end, body)];
  return [...before, ...totals.flatMap(openTotal), ...vectors, ...totals.flatMap(closeTotal), ...rest];
}

const same = (a: Expression, b: Expression): boolean =>
  a.kind === 'literal' && b.kind === 'literal' && a.value === b.value;

/** Sums wait for each other: the cheaper a step, the more of them side by side. */
function totalsOf(body: readonly Statement[], region: Region, steps: number | null, state: State): readonly Total[] {
  const cost = costOf(body);
  const hasLoop = [...nestedIn(body)].some(({ kind }) => kind === 'for');
  const wanted = hasLoop ? 1 : cost <= 16 ? 4 : cost <= 40 ? 2 : 1;
  const width = [4, 2, 1].find((n) => n <= wanted && (steps === null || 4 * n <= steps))!;
  return [...region.accumulated].map(([name, op]) => {
    const type = typeOf(body, name);
    const part = (): Local => local(state.fresh(`${name}_x4`), vectorOf(type)) as Local;
    return { name, op, type, parts: Array.from({ length: width }, part) };
  });
}

function typeOf(body: readonly Statement[], name: string): 'f32' | 'i32' {
  for (const each of nestedIn(body)) {
    if (each.kind === 'set' && each.name === name && each.value.type !== 'bool')
      return each.value.type as 'f32' | 'i32';
  }
  throw new Error(`${name} is not accumulated`);
}

/** Sums start from 0, products from 1; the largest and the smallest from what is known already. */
function openTotal({ name, op, type, parts }: Total): readonly Statement[] {
  const number = (value: number): Expression => (type === 'f32' ? f32(value) : i32(value));
  const first = op === 'add' ? number(0) : op === 'multiply' ? number(1) : local(name, type);
  return parts.map((part) => varOf(part.name, splat(first)));
}

function closeTotal({ name, op, type, parts }: Total): readonly Statement[] {
  const halves = (of: readonly Expression[]): Expression => {
    const middle = of.length / 2;
    return of.length === 1 ? of[0]! : call(op, halves(of.slice(0, middle)), halves(of.slice(middle)));
  };
  return [assign(name, call(op, local(name, type), across(op, halves(parts))))];
}
