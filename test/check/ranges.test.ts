// Intervals contain every value that a node takes, and what is proved of an index holds wherever its facts hold.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CheckedAxis, Index, Node } from '../../src/check/checked.ts';
import * as nodes from '../../src/check/nodes.ts';
import { createRanges } from '../../src/check/ranges.ts';
import { operations, type OpName } from '../../src/ir/ops.ts';

const span = { file: '', start: 0, end: 0 };
const axis = (name: string, size: CheckedAxis['size']): CheckedAxis => ({ name, size, role: 'user' });
const index = (name: string, size: CheckedAxis['size']): Index => ({ name, axis: axis(name, size), span });
const indices = [index('p', 5), index('q', 12), index('t', 'tokens'), index('s', 'tokens')] as const;
const at = (one: Index): Node => ({ kind: 'index', type: 'integer', index: one, span });
const number = (value: number): Node => nodes.number(value, span);

const unary: readonly OpName[] = [
  'negate',
  'abs',
  'sign',
  'floor',
  'ceil',
  'round',
  'exp',
  'expm1',
  'log1p',
  'sqrt',
  'sin',
  'cos',
  'tanh',
  'sigmoid',
  'log_sigmoid',
  'softplus',
  'relu',
  'gelu',
  'silu',
  'erf',
  'log',
  'log2',
  'tan',
  'detach',
];
const binary: readonly OpName[] = ['add', 'subtract', 'multiply', 'divide', 'min', 'max', 'mod', 'power', 'atan2'];
const relations: readonly OpName[] = ['less', 'less_equal', 'equal', 'not_equal'];

const { value } = fc.letrec<{ value: Node; condition: Node }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'value' },
    fc.constantFrom(...indices).map(at),
    fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constantFrom(0.5, -1.5, 3.25)).map(number),
    fc.tuple(fc.constantFrom(...unary), tie('value')).map(([op, a]) => nodes.call(op, [a], span)),
    fc.tuple(fc.constantFrom(...binary), tie('value'), tie('value')).map(([op, a, b]) => nodes.call(op, [a, b], span)),
    fc
      .tuple(tie('value'), fc.integer({ min: 1, max: 7 }))
      .map(([a, b]) => nodes.toWhole('floor', nodes.call('divide', [a, number(b)], span), span)),
    fc.tuple(tie('condition'), tie('value'), tie('value')).map(([c, a, b]) => nodes.choose(c, a, b, span)),
  ),
  condition: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'condition' },
    fc
      .tuple(fc.constantFrom(...relations), tie('value'), tie('value'))
      .map(([op, a, b]) => nodes.call(op, [a, b], span)),
    fc
      .tuple(fc.constantFrom('and' as const, 'or' as const), tie('condition'), tie('condition'))
      .map(([op, a, b]) => nodes.join(op, a, b, span)),
    tie('condition').map((a) => nodes.not(a, span)),
  ),
}));

type Point = ReadonlyMap<Index, number>;

function evaluate(node: Node, point: Point): number {
  if (node.kind === 'constant') return node.value;
  if (node.kind === 'index') return point.get(node.index)!;
  if (node.kind !== 'call') throw new Error(node.kind);
  if (node.op === 'select') return evaluate(node.args[evaluate(node.args[0]!, point) === 0 ? 2 : 1]!, point);
  return operations[node.op].evaluate!(...node.args.map((arg) => evaluate(arg, point)));
}

const points: readonly Point[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].flatMap((q) =>
  [0, 1, 3, 17].map(
    (t) =>
      new Map([
        [indices[0], (q * 3) % 5],
        [indices[1], q],
        [indices[2], t],
        [indices[3], (q * t) % 7],
      ]),
  ),
);
const slack = (bound: number): number => (Number.isFinite(bound) ? 1e-9 * Math.max(1, Math.abs(bound)) : 0);

test('an interval contains what the node can be', () => {
  let narrow = 0;
  fc.assert(
    fc.property(value, (node) => {
      const { low, high } = createRanges().interval(node);
      if (Number.isFinite(low) || Number.isFinite(high)) narrow++;
      for (const point of points) {
        const got = evaluate(node, point);
        if (Number.isNaN(got)) continue;
        expect(got).toBeGreaterThanOrEqual(low - slack(low));
        expect(got).toBeLessThanOrEqual(high + slack(high));
      }
    }),
    { numRuns: 600, seed: 7 },
  );
  expect(narrow).toBeGreaterThan(100);
});

test('what is proved holds wherever the facts do', () => {
  let proved = 0;
  const condition = fc
    .tuple(fc.constantFrom(...relations), value, value)
    .map(([op, a, b]) => nodes.call(op, [a, b], span));
  fc.assert(
    fc.property(value, condition, fc.boolean(), fc.integer({ min: -20, max: 20 }), (node, fact, truth, bound) => {
      const ranges = createRanges();
      const facts = ranges.facts(fact, truth);
      const most = ranges.atMost(node, bound, facts);
      const least = ranges.atLeast(node, bound, facts);
      if (most || least) proved++;
      for (const point of points) {
        const side = fact.kind === 'constant' ? fact.value : evaluate(fact, point);
        const got = evaluate(node, point);
        if ((side !== 0) !== truth || Number.isNaN(got)) continue;
        if (hasNoValue(fact, point)) continue;
        if (most) expect(got).toBeLessThanOrEqual(bound + slack(bound));
        if (least) expect(got).toBeGreaterThanOrEqual(bound - slack(bound));
      }
    }),
    { numRuns: 600, seed: 11 },
  );
  expect(proved).toBeGreaterThan(60);
});

/** A comparison with something that has no value is false and its negation promises nothing. */
function hasNoValue(node: Node, point: Point): boolean {
  let found = false;
  nodes.walk(node, (one) => {
    if (one.type !== 'boolean' && Number.isNaN(evaluate(one, point))) found = true;
  });
  return found;
}

describe('proofs that programs lean on', () => {
  const [p, q, t, s] = indices.map(at) as [Node, Node, Node, Node];
  const call = (op: OpName, ...args: Node[]): Node => nodes.call(op, args, span);
  const ranges = createRanges();
  const inside = (node: Node, size: number, facts = ranges.facts(number(1), true)): boolean =>
    ranges.atLeast(node, 0, facts) && ranges.atMost(node, size - 1, facts);

  test('clamp, mod, sums of bounded indices', () => {
    expect(inside(nodes.clamp(call('subtract', t, s), number(0), number(15), span), 16)).toBe(true);
    expect(inside(nodes.clamp(call('subtract', t, s), number(0), number(16), span), 16)).toBe(false);
    expect(inside(call('mod', t, number(8)), 8)).toBe(true);
    expect(inside(call('add', p, q), 16)).toBe(true);
    expect(inside(call('add', p, q), 15)).toBe(false);
    expect(inside(call('subtract', p, q), 16)).toBe(false);
  });

  test('conditions: s <= t, t - s < 4', () => {
    const before = ranges.facts(call('less_equal', s, t), true);
    const near = ranges.facts(call('less', call('subtract', t, s), number(4)), true);
    expect(inside(call('subtract', t, s), 4)).toBe(false);
    expect(inside(call('subtract', t, s), 4, before)).toBe(false);
    expect(inside(call('subtract', t, s), 4, [...before, ...near])).toBe(true);
    expect(inside(call('subtract', t, s), 3, [...before, ...near])).toBe(false);
    expect(inside(call('subtract', call('add', t, number(1)), s), 5, [...before, ...near])).toBe(true);
  });

  test('an `if` inside the index', () => {
    const chosen = call('select', call('less', q, number(5)), q, number(4));
    expect(inside(chosen, 5)).toBe(true);
    expect(inside(call('select', call('less_equal', q, number(5)), q, number(4)), 5)).toBe(false);
  });

  test('a random number below n has at most place n - 1', () => {
    const drawn = nodes.toWhole('floor', call('uniform', number(0), number(8)), span);
    expect(inside(drawn, 8)).toBe(true);
    expect(inside(drawn, 7)).toBe(false);
  });
});
