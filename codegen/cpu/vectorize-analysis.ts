// What the vectorizer must know of a loop before it rewrites it. The body of a loop and the names that vary between its
// steps come in; what else varies, which variables of outside are accumulated, and whether neighbouring steps can be taken
// together go out.

import type { Expression, KernelFunction, Statement } from '../kernel.ts';
import { isVector } from '../kernel-ops.ts';
import { accumulationOf, expressionsOf, namesLocal, nestedIn, partsOf, type Accumulation } from '../map-expressions.ts';

export interface Region {
  /** Names whose values differ from step to step, among those bound in the body. */
  readonly varying: ReadonlySet<string>;
  /** Variables of outside, and the one operation of each. */
  readonly accumulated: ReadonlyMap<string, Accumulation['op']>;
}

export const varies = (e: Expression, varying: ReadonlySet<string>): boolean =>
  e.kind === 'local' ? varying.has(e.name) : partsOf(e).some((part) => varies(part, varying));

/** null: the steps must be taken one by one. `given`: the names that vary from the start. */
export function analyse(body: readonly Statement[], given: readonly string[]): Region | null {
  const all = [...nestedIn(body)];
  if (all.some((each) => isAlone(each) || expressionsOf(each).some(isStrange))) return null;
  const accumulated = accumulatedIn(all);
  if (accumulated === null) return null;
  const varying = varyingIn(body, given);
  const isUneven = (each: Statement): boolean =>
    each.kind === 'for'
      ? varies(each.from, varying) || varies(each.to, varying)
      : (each.kind === 'store' || each.kind === 'store-element') && !varies(each.index, varying);
  return all.some(isUneven) ? null : { varying, accumulated };
}

/** What four steps cannot do together. */
function isAlone(statement: Statement): boolean {
  switch (statement.kind) {
    case 'barrier':
    case 'return':
    case 'store-shared':
    case 'load-elements':
    case 'store-elements':
      return true;
    default:
      return false;
  }
}

function isStrange(e: Expression): boolean {
  if (isVector(e.type) || e.kind === 'lane' || e.kind === 'subgroup' || e.kind === 'shared') return true;
  if (e.kind === 'extract' || e.kind === 'across' || e.kind === 'subgroup_lane') return true;
  if (e.kind === 'apply' && !canBeWide(e.of)) return true;
  return partsOf(e).some(isStrange);
}

/** Whether a helper can be written for vectors. */
function canBeWide(of: KernelFunction): boolean {
  const parameters = of.parameters.map(({ name }) => name);
  const region = analyse(of.body, parameters);
  return region !== null && region.accumulated.size === 0 && !isStrange(of.value);
}

/** null: a variable of outside is used otherwise. */
function accumulatedIn(all: readonly Statement[]): ReadonlyMap<string, Accumulation['op']> | null {
  const own = new Set(all.flatMap((each) => (each.kind === 'var' ? [each.name] : [])));
  const found = new Map<string, Accumulation['op']>();
  const values = new Map<Statement, Expression>();
  for (const each of all) {
    if (each.kind !== 'set' || own.has(each.name)) continue;
    const accumulation = accumulationOf(each);
    const known = found.get(each.name);
    if (accumulation === null || (known !== undefined && known !== accumulation.op)) return null;
    found.set(each.name, accumulation.op);
    values.set(each, accumulation.value);
  }
  for (const each of all) {
    const value = values.get(each);
    const read = value === undefined ? expressionsOf(each) : [value];
    for (const name of found.keys()) if (read.some((e) => namesLocal(e, name))) return null;
  }
  return found;
}

/** Until nothing is added: what is made of what varies, and what is set where the steps part. */
function varyingIn(body: readonly Statement[], given: readonly string[]): ReadonlySet<string> {
  const varying = new Set(given);
  const visit = (statements: readonly Statement[], apart: boolean): void => {
    for (const each of statements) {
      switch (each.kind) {
        case 'let':
        case 'var':
        case 'set':
          if (apart || varies(each.value, varying)) varying.add(each.name);
          break;
        case 'for':
          visit(each.body, apart);
          break;
        case 'if': {
          const parted = apart || varies(each.condition, varying);
          visit(each.then, parted);
          visit(each.otherwise, parted);
          break;
        }
        default:
          break;
      }
    }
  };
  for (let before = -1; before !== varying.size;) {
    before = varying.size;
    visit(body, false);
  }
  return varying;
}

/** Roughly the instructions that one step of the statements takes. */
export function costOf(statements: readonly Statement[]): number {
  let sum = 0;
  for (const each of statements) {
    for (const e of expressionsOf(each)) sum += weightOf(e);
    if (each.kind === 'store' || each.kind === 'store-element') sum += 1;
    if (each.kind === 'for') sum += 4 * costOf(each.body);
    if (each.kind === 'if') sum += 1 + costOf(each.then) + costOf(each.otherwise);
  }
  return sum;
}

function weightOf(e: Expression): number {
  const parts = partsOf(e).reduce((sum, part) => sum + weightOf(part), 0);
  switch (e.kind) {
    case 'apply':
      return parts + costOf(e.of.body) + weightOf(e.of.value);
    case 'call':
      return parts + (e.op === 'exp' || e.op === 'log' ? 20 : e.op === 'divide' || e.op === 'sqrt' ? 5 : 1);
    case 'load':
    case 'element':
      return parts + 1;
    default:
      return parts;
  }
}
