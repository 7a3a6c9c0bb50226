// Roots of one stage -> the same, with those that have to do with queries and keys together put in nests of strips, so that
// nothing with a value for each query and key is whole in memory. Roots that cannot be served so stay what they are, and
// what they read of strips has a buffer.

import { axis } from '../../src/ir/build.ts';
import type { Tensor } from '../../src/ir/ir.ts';
import { readBy, type Root, type StripFrame, type StripMember, type StripsNest } from './nest.ts';
import type { PlanOptions } from './plan.ts';
import { asMember, isShared, type Joined } from './strips-member.ts';
import { isQuadratic, isTokens, rolesOf, type Roles } from './strips-roles.ts';
import { withRanges } from './strips-range.ts';

export type Step = Root | StripsNest;

export const isStrips = (step: Step): step is StripsNest => 'kind' in step;

/** `needed`: tensors that are read outside these roots. */
export function cutStrips(roots: readonly Root[], needed: ReadonlySet<Tensor>, options: PlanOptions): readonly Step[] {
  if (!options.blockwise || !roots.some((root) => isQuadratic(root.definition.tensor))) return roots;
  const ways = framesOf(roots).map((frame) => cut(roots, needed, frame));
  const whole = ways.map((steps) => wholeIn(steps));
  return ways[whole.indexOf(Math.min(...whole))]!;
}

/** Tensors of queries and keys that have a buffer. */
function wholeIn(steps: readonly Step[]): number {
  return steps.reduce((count, step) => {
    if (!isStrips(step)) return count + (isQuadratic(step.definition.tensor) ? 1 : 0);
    const made = step.members.map(({ root }) => root.definition.tensor);
    return count + made.filter((tensor) => isQuadratic(tensor) && !step.inside.has(tensor)).length;
  }, 0);
}

/** Heads apart, and together where what is made of several heads asks for it. */
function framesOf(roots: readonly Root[]): readonly StripFrame[] {
  const read = roots.flatMap((root) => [root.definition.tensor, ...readBy(root)]);
  const strips = read.filter(isQuadratic);
  const batch = strips.some(({ axes }) => axes.some(({ extent }) => extent === 'batch'))
    ? axis('b', 'batch', 'batch')
    : null;
  const query = axis('i', 'tokens', 'token');
  const together: StripFrame = { batch, head: null, within: null, query };
  const heads = strips.flatMap(({ axes }) => axes.filter(({ role }) => role === 'head')).map(({ extent }) => extent)[0];
  if (typeof heads !== 'number') return [together];
  const keyHeads = read
    .flatMap(({ axes }) => axes.filter(({ role }) => role === 'kv-head'))
    .map(({ extent }) => extent)
    .find((extent) => typeof extent === 'number' && extent < heads && heads % extent === 0);
  const head = axis('h', keyHeads ?? heads, keyHeads === undefined ? 'head' : 'kv-head');
  const within = keyHeads === undefined ? null : axis('within', heads / (keyHeads as number), 'head');
  return [{ batch, head, within, query }, together];
}

/** Members while they are collected, in the order in which they run. */
interface Group {
  readonly members: StripMember[];
  /** What they were, before sums were cut in parts. */
  readonly taken: Root[];
  readonly roles: Map<Tensor, Roles>;
  /** What is known only after all blocks: sums over queries, and what is made of them or of values of rows. */
  readonly later: Root[];
  readonly late: Set<Tensor>;
}

const emptyGroup = (): Group => ({ members: [], taken: [], roles: new Map(), later: [], late: new Set() });

function cut(roots: readonly Root[], needed: ReadonlySet<Tensor>, frame: StripFrame): readonly Step[] {
  const left = new Set<Root>();
  for (;;) {
    const { steps, wrong } = cutWithout(roots, needed, frame, left);
    if (wrong.length === 0) return steps;
    for (const root of wrong) left.add(root);
  }
}

/** `left`: roots that stay out of strips. */
function cutWithout(
  roots: readonly Root[],
  needed: ReadonlySet<Tensor>,
  frame: StripFrame,
  left: ReadonlySet<Root>,
): { steps: readonly Step[]; wrong: readonly Root[] } {
  const steps: Step[] = [];
  const wrong: Root[] = [];
  let group = emptyGroup();
  const close = (): void => {
    steps.push(...closed(group, roots, needed, frame, wrong), ...group.later);
    group = emptyGroup();
  };
  for (const root of roots) {
    const reads = [...readBy(root)];
    const isOfStrips = isQuadratic(root.definition.tensor) || reads.some((tensor) => isStrip(group, tensor));
    if (isOfStrips && !left.has(root)) {
      if (take(group, root, frame)) continue;
      if (group.members.length > 0 && asMember(root, new Map(), frame) !== null) {
        close();
        if (take(group, root, frame)) continue;
      }
    }
    if (reads.some((tensor) => group.roles.has(tensor) || group.late.has(tensor))) {
      group.later.push(root);
      group.late.add(root.definition.tensor);
    } else {
      steps.push(root);
    }
  }
  close();
  return { steps, wrong };
}

const isStrip = ({ roles }: Group, tensor: Tensor): boolean => (roles.get(tensor)?.keys ?? -1) >= 0;

/** Adds the root to the group, and what it needs of what came after; false: it cannot be there. */
function take(group: Group, root: Root, frame: StripFrame): boolean {
  const needs = neededOf(group, root);
  const joined: { root: Root; made: Joined }[] = [];
  const roles = new Map(group.roles);
  for (const each of [...needs, root]) {
    const made = asMember(each, roles, frame);
    const isEarly = [...readBy(each)].every((tensor) => !group.late.has(tensor) || roles.has(tensor));
    if (made === null || !isEarly || (each !== root && made.member.place !== 'row')) return false;
    joined.push({ root: each, made });
    if (made.member.place !== 'sum')
      roles.set(each.definition.tensor, rolesOf(each.definition.tensor, frame, made.shares)!);
  }
  for (const { root: each, made } of joined) {
    const { tensor } = each.definition;
    group.members.push(made.member);
    group.taken.push(each);
    const at = group.later.indexOf(each);
    if (at >= 0) group.later.splice(at, 1);
    if (made.member.place === 'sum') {
      group.late.add(tensor);
      if (made.rest !== null) group.later.push(made.rest);
    } else {
      group.late.delete(tensor);
      group.roles.set(tensor, roles.get(tensor)!);
    }
  }
  return true;
}

/** Roots put off that a root depends on, in order. */
function neededOf(group: Group, root: Root): readonly Root[] {
  const wanted = new Set(readBy(root));
  return group.later
    .toReversed()
    .filter((each) => {
      if (!wanted.has(each.definition.tensor)) return false;
      for (const tensor of readBy(each)) wanted.add(tensor);
      return true;
    })
    .toReversed();
}

/** The nest of a group; `wrong`: members that must stay out, and all where no strip is saved. */
function closed(
  { members, taken, roles }: Group,
  roots: readonly Root[],
  needed: ReadonlySet<Tensor>,
  frame: StripFrame,
  wrong: Root[],
): readonly Step[] {
  if (members.length === 0) return [];
  const made = new Set(members.map(({ root }) => root.definition.tensor));
  const others = roots.filter((root) => !taken.includes(root));
  const read = new Set(others.flatMap((root) => [...readBy(root)]));
  const parts = new Set(members.filter(({ place }) => place === 'sum').map(({ root }) => root.definition.tensor));
  const inside = new Set([...made].filter((tensor) => !needed.has(tensor) && !read.has(tensor) && !parts.has(tensor)));
  const isSaved = [...inside].some((tensor) => isQuadratic(tensor));
  members.forEach((member, n) => {
    const isWhole = member.place === 'strip' && !inside.has(member.root.definition.tensor);
    if (!isSaved || (isWhole && isShared(member, frame))) wrong.push(taken[n]!);
  });
  const ranged = withRanges(members, frame, roles, (tensor) => !inside.has(tensor));
  const sums = members.some(({ place }) => place === 'sum');
  const rows = rowsFor(members, inside);
  return [{ kind: 'strips', frame, rows, blocks: sums ? 'inside' : 'items', members: ranged, inside }];
}

/**
 * Queries of a block: a multiple of the tile of a matrix product. More of them make more of what they read, fewer do less for
 * keys that a causal softmax hides, and their strips stay in a cache near the core.
 */
const mostRows = 16;
const leastRows = 8;
/** Numbers of one key and one query. */
const wideStrips = 8;

function rowsFor(members: readonly StripMember[], inside: ReadonlySet<Tensor>): number {
  const width = members.reduce((sum, { root: { definition }, place, axes }) => {
    if (place !== 'strip' || !inside.has(definition.tensor)) return sum;
    const own = axes.filter((one) => !isTokens(one)).map(({ extent }) => (typeof extent === 'number' ? extent : 1));
    return sum + own.reduce((all, extent) => all * extent, 1);
  }, 0);
  let rows = mostRows;
  for (let rest = width; rest > wideStrips && rows > leastRows; rest /= 2) rows /= 2;
  return rows;
}
