// Proofs about integers: each against brute force over small sizes, so that nothing is proved that is false, and a list
// of what must be provable.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { affine, formToScalar } from '../../src/ir/affine.ts';
import { at, axis, boolean, call, defined, given, integer, map, program, read, size } from '../../src/ir/build.ts';
import type { Scalar } from '../../src/ir/ir.ts';
import { makeKeys } from '../../src/ir/key.ts';
import { normaliser } from '../../src/ir/normalise.ts';
import { assume, inside, makeContext, proveAtMost, proveLess } from '../../src/ir/ranges.ts';
import { interpret } from '../../src/interpret/interpret.ts';

const t = axis('t', 'tokens', 'token');
const j = axis('j', 'keys', 'key-token');
const d = axis('d', 12, 'feature');
const n = axis('n', 3);
const domain = [t, j, d, n];

/** A random integer expression over the axes. */
const expression: fc.Arbitrary<Scalar> = fc.letrec<{ e: Scalar }>((tie) => ({
  e: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom<Scalar>(at(t), at(j), at(d), at(n), integer(2), integer(-3), size('keys'), size('first')),
    fc
      .tuple(fc.constantFrom('add', 'subtract', 'min', 'max'), tie('e'), tie('e'))
      .map(([op, a, b]) => call(op as 'add', a, b)),
    fc
      .tuple(fc.constantFrom('mod', 'div'), tie('e'), fc.integer({ min: 1, max: 5 }))
      .map(([op, a, g]) => call(op as 'mod', a, integer(g))),
    fc.tuple(fc.integer({ min: -4, max: 4 }), tie('e')).map(([c, a]) => call('multiply', integer(c), a)),
    fc.tuple(tie('e'), tie('e'), tie('e'), tie('e')).map(([a, b, x, y]) => call('select', call('less', a, b), x, y)),
  ),
})).e;

/** The values of a scalar at every point. */
function values(s: Scalar, tokens: number, first: number): Float64Array {
  const made = defined('v', domain, s.type);
  const x = given('x', [axis('t', 'tokens', 'token')], 'x');
  // Reads a tensor of this call's tokens, so that the token axis runs over them alone.
  const here = call('add', s, call('round', read(x, [at(t)])));
  const p = program({ name: 'p', inputs: [x], definitions: [map(made, here)], results: { made } });
  const body = { batch: 1, tokens, first };
  // An integer has no negative zero.
  return interpret(p, body, { x: new Float64Array(tokens) })
    .get('v')!
    .map((value) => value + 0);
}

describe('proofs', () => {
  it('are never wrong', () => {
    let proved = 0;
    fc.assert(
      fc.property(expression, expression, fc.integer({ min: 1, max: 3 }), fc.nat(2), (a, b, tokens, first) => {
        const atMost = proveAtMost(a, b, makeContext());
        const less = proveLess(a, b, makeContext());
        proved += Number(atMost) + Number(less);
        if (!atMost && !less) return;
        const [left, right] = [values(a, tokens, first), values(b, tokens, first)];
        left.forEach((value, k) => {
          if (atMost) expect(value).toBeLessThanOrEqual(right[k]!);
          if (less) expect(value).toBeLessThan(right[k]!);
        });
      }),
      { numRuns: 1500, seed: 4 },
    );
    expect(proved).toBeGreaterThan(50);
  });

  it('find what indices need', () => {
    const c = makeContext();
    const plus = (a: Scalar, k: number): Scalar => call('add', a, integer(k));
    expect(proveLess(at(t), size('keys'), c)).toBe(true);
    expect(proveLess(plus(at(t), 1), size('keys'), c)).toBe(false);
    expect(proveLess(plus(at(t), 1), size('keys'), assume(c, call('less', plus(at(t), 1), size('keys'))))).toBe(true);
    const distance = call('subtract', at(t), at(j));
    expect(proveAtMost(integer(0), distance, c)).toBe(false);
    expect(proveAtMost(integer(0), distance, assume(c, call('less_equal', at(j), at(t))))).toBe(true);
    expect(proveAtMost(integer(0), distance, assume(c, call('not', call('less', at(t), at(j)))))).toBe(true);
    const both = call('and', call('less_equal', at(j), at(t)), boolean(true));
    expect(proveAtMost(at(j), at(t), assume(c, both))).toBe(true);
    expect(proveAtMost(size('first'), at(t), c)).toBe(true);
  });

  it('take first = 0 only in training', () => {
    expect(proveAtMost(size('first'), integer(0), makeContext())).toBe(false);
    expect(proveAtMost(size('first'), integer(0), makeContext({ training: true }))).toBe(true);
    expect(proveAtMost(size('keys'), size('tokens'), makeContext({ training: true }))).toBe(true);
  });

  it('see that a block and its offset stay inside', () => {
    const table = given('table', [axis('block', 3), axis('within', 4)], 'user');
    const index = [call('div', at(d), integer(4)), call('mod', at(d), integer(4))];
    expect(inside({ tensor: table, index }, makeContext())).toBe(true);
    expect(inside({ tensor: table, index: [...index].reverse() }, makeContext())).toBe(false);
  });
});

describe('normal forms', () => {
  it('have the value of what they come from', () => {
    fc.assert(
      fc.property(expression, (e) => {
        const before = values(e, 2, 0);
        expect(values(normaliser(makeContext())(e), 2, 0)).toEqual(before);
        expect(values(formToScalar(affine(e, makeKeys())), 2, 0)).toEqual(before);
      }),
      { numRuns: 400, seed: 5 },
    );
  });

  it('resolve div and mod of a block index', () => {
    const r = axis('r', 4);
    const whole = call('add', call('multiply', integer(4), at(n)), at(r));
    const normalise = normaliser(makeContext());
    expect(normalise(call('div', whole, integer(4)))).toEqual(at(n));
    expect(normalise(call('mod', whole, integer(4)))).toEqual(at(r));
  });
});
