// Where a score that a query does not see goes: it is -infinity, and so is what a line makes of `-infinity`. Softmax, exp,
// sigmoid, max and comparisons make a number of it; a product with something of unknown sign, or infinity less infinity,
// has no value, and kernels would compute with whatever stands for it. Every such place is an error.

import { valueCodes } from '../diagnostics/codes/values.ts';
import type { Label } from '../diagnostics/diagnostic.ts';
import type { CheckedEncoding, CheckedSite, Declaration, Index, Node } from './checked.ts';
import { infinities, sum, type Infinite, type Value } from './infinities.ts';
import { guardsOf, readsIndex, type Guard } from './guards.ts';
import { walk } from './nodes.ts';
import type { Checker } from './scope.ts';
import { substitute } from './substitute.ts';

type Body = Pick<CheckedEncoding, 'declarations' | 'sites'>;
type Call = Extract<Node, { kind: 'call' }>;
type Reduce = Extract<Node, { kind: 'reduce' }>;
type ScoreRead = Extract<Node, { kind: 'chain' }>;

/** What is known where an expression is looked at. */
interface Place {
  readonly guards: readonly Guard[];
  /** Query and key of the score or weight being made: nobody looks at it where the query does not see the key. */
  readonly own: { readonly query: Index; readonly key: Index } | null;
}

const ANYWHERE: Place = { guards: [], own: null };

/** Reports each place where a hidden score ends as no number. The encoding has no other mistake. */
export function checkHidden({ declarations, sites }: Body, checker: Checker): void {
  const { isSeen, ofSite, narrowed } = guardsOf(sites, checker);
  const touched = new Map<Node, boolean>();
  const lets = new Map<Declaration, Value>();
  const scores = new Map<number, Value>();

  for (const declaration of declarations) if (declaration.kind === 'let') valueOfLet(declaration);
  for (const site of sites) {
    if (site.target === 'score') scoreOf(site.version + 1);
    else if (site.target === 'visible' && site.kind === 'assign') valueOf(site.value, ANYWHERE);
    else {
      const found = madeBy(site);
      if (found !== null) refuse(found, { span: site.span, text: `\`${site.target}\` is infinite there` });
    }
  }

  /** Whether an expression reads a score or an infinite number at all, now or through a `let`. */
  function isTouched(node: Node): boolean {
    const known = touched.get(node);
    if (known !== undefined) return known;
    touched.set(node, false);
    let found = false;
    walk(node, (one) => {
      found ||=
        (one.kind === 'chain' && one.tensor === 'score') ||
        (one.kind === 'constant' && Math.abs(one.value) === Infinity) ||
        (one.kind === 'read' && one.of.kind === 'let' && isTouched(one.of.value));
      return !found;
    });
    touched.set(node, found);
    return found;
  }

  function refuse({ origin }: Infinite, label: Label): null {
    const text = checker.text(origin.span);
    const hidden = origin.kind === 'chain';
    checker.report(null, valueCodes.hiddenScore(origin.span, text, hidden, [label]));
    return null;
  }

  function valueOfLet(declaration: Extract<Declaration, { kind: 'let' }>): Value {
    if (lets.has(declaration)) return lets.get(declaration)!;
    const value = valueOf(declaration.value, ANYWHERE);
    lets.set(declaration, value);
    return value;
  }

  /** What a version of the score may be where its query sees its key. */
  function scoreOf(version: number): Value {
    if (scores.has(version)) return scores.get(version)!;
    const site = sites.find((one) => one.target === 'score' && one.version === version - 1);
    const value = site === undefined ? null : madeBy(site);
    scores.set(version, value);
    return value;
  }

  /** What a site makes of its tensor. */
  function madeBy(site: CheckedSite): Value {
    if (site.kind !== 'assign') return valueOf(site.by, ANYWHERE);
    const [, query, key] = site.indices;
    const paired = site.target === 'score' || site.target === 'attention';
    const isPair = paired && query !== undefined && key !== undefined;
    const place: Place = isPair ? { guards: [ofSite(site)], own: { query, key } } : ANYWHERE;
    const value = valueOf(site.value, place);
    const old = site.target === 'score' && site.operator !== '=' ? scoreOf(site.version) : null;
    if (old === null && value === null) return null;
    const label = { span: site.span, text: 'has no value there' };
    if (site.operator === '*=') return product([old, value], [null, site.value], label);
    return old === null || value === null ? (old ?? value) : (sum(old, value) ?? refuse(value, label));
  }

  function valueOf(node: Node, place: Place): Value {
    if (!isTouched(node)) return null;
    switch (node.kind) {
      case 'constant':
        return Math.abs(node.value) === Infinity ? { sign: node.value > 0 ? 1 : -1, origin: node } : null;
      case 'index':
      case 'runtime':
        return null;
      case 'call':
        return ofCall(node, place);
      case 'read':
        return ofRead(node, place);
      case 'chain':
        for (const item of node.items) asNumber(item, place);
        return node.tensor === 'score' ? ofScore(node, place) : null;
      case 'reduce':
        return ofReduction(node, place);
      case 'map':
        return ofMap(node, place);
      default:
        return node satisfies never;
    }
  }

  /** An index. */
  function asNumber(node: Node, place: Place): void {
    const value = valueOf(node, place);
    if (value !== null) refuse(value, { span: node.span, text: 'is infinite there' });
  }

  function ofScore(node: ScoreRead, { guards: known, own }: Place): Value {
    const [, query, key] = node.items;
    const isOwn = own !== null && isIndex(query, own.query) && isIndex(key, own.key);
    return isOwn || isSeen(node, known) ? scoreOf(node.version) : { sign: -1, origin: node };
  }

  /** A `let` is a tensor of its own; where conditions stand around the read, its formula is looked at under them. */
  function ofRead(node: Extract<Node, { kind: 'read' }>, place: Place): Value {
    for (const item of node.items) asNumber(item, place);
    if (node.of.kind !== 'let') return null;
    const whole = valueOfLet(node.of);
    if (whole === null || place.guards.length === 0) return whole;
    const at = new Map(node.of.indices.map((index, n) => [index, node.items[n]!] as const));
    return valueOf(substitute(node.of.value, at), { ...place, own: null });
  }

  function ofCall(node: Call, place: Place): Value {
    const label = { span: node.span, text: 'has no value there' };
    if (node.op === 'select') {
      const [condition, then, otherwise] = node.args as [Node, Node, Node];
      valueOf(condition, place);
      const a = valueOf(then, under(place, condition, true));
      const b = valueOf(otherwise, under(place, condition, false));
      return a === null || b === null ? (a ?? b) : (sum(a, b) ?? refuse(a, label));
    }
    const values = node.args.map((arg) => valueOf(arg, place));
    const first = values.find((value) => value !== null);
    if (first === undefined || first === null || node.type === 'boolean') return null;
    if (node.op === 'multiply') return product(values, node.args, label);
    const made = infinities(node.op, values, node.args, checker.ranges.interval);
    return made === 'none' ? refuse(first, label) : made;
  }

  function product(values: readonly Value[], args: readonly (Node | null)[], label: Label): Value {
    const made = infinities('multiply', values, args, checker.ranges.interval);
    const infinite = values.find((value) => value !== null)!;
    return made === 'none' ? refuse(infinite, label) : made;
  }

  function ofReduction(node: Reduce, place: Place): Value {
    if (node.where !== null) valueOf(node.where, place);
    const value = valueOf(node.body, node.where === null ? place : under(place, node.where, true));
    if (value === null) return null;
    const overTokens = node.over.some(({ axis }) => axis.size === 'tokens');
    const refused = (): null => refuse(value, { span: node.span, text: 'has no value there' });
    switch (node.op) {
      case 'sum':
      case 'mean':
        return overTokens ? refused() : value; // of tokens it is a running sum, less another
      case 'prod':
        return refused();
      case 'max':
      case 'min':
      case 'logsumexp': {
        // Every query sees its own key, if the model alone decides.
        const absorbed = value.sign < 0 ? node.op !== 'min' : node.op === 'min';
        return absorbed && overTokens && node.where === null && !narrowed ? null : value;
      }
      default:
        return node.op satisfies never;
    }
  }

  function ofMap(node: Extract<Node, { kind: 'map' }>, place: Place): Value {
    // It has all elements along its indices, also those of which conditions around it do not hold.
    const isOfOthers = ({ condition }: Guard): boolean => !node.along.some((index) => readsIndex(condition, index));
    const guards = place.guards.filter(isOfOthers);
    const isRow = node.op === 'softmax' || node.op === 'rank';
    const inside: Place = { guards, own: isRow ? null : place.own };
    if (node.where !== null) valueOf(node.where, inside);
    const isSoftmax = node.op === 'softmax' && node.where !== null;
    const value = valueOf(node.body, isSoftmax ? under(inside, node.where!, true) : inside);
    return value === null || isRow ? null : refuse(value, { span: node.span, text: 'has no value there' });
  }
}

const under = (place: Place, condition: Node, holds: boolean): Place => ({
  ...place,
  guards: [...place.guards, { condition, holds }],
});

const isIndex = (node: Node | undefined, index: Index): boolean => node?.kind === 'index' && node.index === index;
