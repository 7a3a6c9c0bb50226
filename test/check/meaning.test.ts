// What lowering is given: versions, joint targets, folding, types, operations written out, parents merged.

import { describe, expect, test } from 'vitest';
import type { CheckedEncoding } from '../../src/check/checked.ts';
import { say } from '../diagnostics/front.ts';
import { declarationsOf, sitesOf } from './show.ts';

type Options = Parameters<typeof say>[1];

function checked(body: string, options?: Options, imports: Readonly<Record<string, string>> = {}): CheckedEncoding {
  const text = body.includes('encoding ') ? body : `encoding example {\n${body}\n}\n`;
  const said = say(new Map([['main.pe', text], ...Object.entries(imports)]), options, false);
  expect(said.diagnostics.map((one) => `${one.code} ${one.message}`)).toEqual([]);
  return said.checked!;
}

const lets = (body: string, options?: Options): readonly string[] => declarationsOf(checked(body, options));
const sites = (body: string, options?: Options): readonly string[] => sitesOf(checked(body, options));

describe('versions', () => {
  test('a name means the version above its line, in a `let` too', () => {
    const encoding = checked(`
      let raw[t: token, h: head]    = query[t, h, 0]
      rotate query, key [t, h, p] by raw[t, h] when heads == kv_heads
      rotate query [t, h, p] by raw[t, h]
      let turned[t: token, h: head] = query[t, h, 0]
      query[t, h, d] *= turned[t, h] + raw[t, h]
      score[h, i, j] += query[i, h, 0] + key[j, h, 0]`);
    expect(declarationsOf(encoding)).toEqual([
      'let raw[t: token, h: head]: real = query#0[t, h, 0]',
      'let turned[t: token, h: head]: real = query#1[t, h, 0]',
    ]);
    expect(sitesOf(encoding)).toEqual([
      'rotate query#0 [t: token, h: head, p: pair] by raw[t, h] split from 0',
      'query#1 [t: token, h: head, d: dim] *= add(turned[t, h], raw[t, h])',
      'score#0 [h: head, i: token, j: token] += add(query#2[i, h, 0], key#0[j, div(h, 4), 0])',
    ]);
  });

  test('joint targets read what stood above the line', () => {
    expect(sites('query, key [t, h, d] += sum[m: model](x[t, m])\nkey[t, h, d] += key[t - 1, h, d]')).toEqual([
      'query#0 [t: token, h: head, d: dim] += sum[m: model](x#0[t, m])',
      'key#0 [t: token, h: kv_head, d: dim] += sum[m: model](x#0[t, m])',
      'key#1 [t: token, h: kv_head, d: dim] += key#1[subtract(t, 1), h, d]',
    ]);
  });

  test("parents' sites come first, link by link of the chain", () => {
    const text = `
encoding bias {
  let slope[h: head] = 2 ^ (-h)
  score[h, i, j] += slope[h] * score[h, i, j]
}
encoding both extends bias {
  rotate query, key [t, h, p] by position[t]
  score[h, i, j] *= 2
}`;
    expect(sites(text).map((site) => site.split(' [')[0])).toEqual([
      'rotate query#0',
      'rotate key#0',
      'score#0',
      'score#1',
    ]);
  });

  test('a `let` that replaces a parent stands where the old one stood', () => {
    const text = `
encoding old {
  let a[t: token] = query[t, 0, 0]
  query[t, h, d] *= a[t]
}
encoding new extends old {
  let a[t: token] = query[t, 1, 0]
}`;
    expect(lets(text)).toEqual(['let a[t: token]: real = query#0[t, 1, 0]']);
  });
});

describe('compile time', () => {
  test('numbers are folded and whole when they are', () => {
    const [half, third, slope] = lets(
      'let half = head_dim / 2\nlet third = head_dim / 3\nlet slope[h: head] = 2 ^ (-8 * (h + 1) / heads) * half',
    );
    expect(half).toBe('let half[]: integer = 32');
    expect(third).toBe(`let third[]: real = ${64 / 3}`);
    expect(slope).toBe('let slope[h: head]: real = multiply(power(2, divide(multiply(-8, add(h, 1)), 8)), 32)');
  });

  test('params are overridden, and what depends on them follows', () => {
    const encoding = checked('param block = 8\naxis place = head_dim / block\nlet a[n: place] = n', {
      params: { block: 4 },
    });
    expect([...encoding.params]).toEqual([['block', 4]]);
    expect(encoding.declarations[0]!.indices[0]!.axis.size).toBe(16);
  });

  test('sites whose `when` is false are gone, and do not count as versions', () => {
    const body = 'query[t, h, d] *= 2 when layer == 1\nquery[t, h, d] *= 3';
    expect(sites(body)).toEqual(['query#0 [t: token, h: head, d: dim] *= 3']);
    expect(sites(body, { layer: 1 }).length).toBe(2);
  });

  test('a condition on the sizes keeps a line out of models it does not suit', () => {
    const body =
      'learn f[h: head] ~ 1\nkey[t, h, d] *= f[h] when heads == kv_heads\nkey[t, h, d] *= if heads == kv_heads then f[h] else 2';
    expect(sites(body)).toEqual(['key#0 [t: token, h: kv_head, d: dim] *= 2']);
    expect(sites(body, { kv_heads: 8 }).length).toBe(2);
  });

  test('a known `if` takes its branch and never looks at the other', () => {
    expect(lets('let a = if layer == 0 then 0 else log(layer)')).toEqual(['let a[]: integer = 0']);
    expect(lets('let a[t: token] = if training then t else length')).toEqual([
      'let a[t: token]: integer = select(training, t, length)',
    ]);
  });
});

describe('operations written out', () => {
  const cases: readonly (readonly [written: string, meant: string])[] = [
    ['clamp(t, 0, 7)', 'integer = min(max(t, 0), 7)'],
    ['delta(t, 3)', 'integer = select(equal(t, 3), 1, 0)'],
    ['max(t, 1, 2)', 'integer = max(max(t, 1), 2)'],
    ['-t ^ 2', 'real = negate(power(t, 2))'],
    ['floor(t / 2)', 'integer = div(t, 2)'],
    ['ceil(t / 2)', 'integer = negate(div(negate(t), 2))'],
    ['floor(position[t] / 8)', 'integer = div(position[t], 8)'],
    ['floor(x[t, 0] / 2)', 'integer = floor(divide(x#0[t, 0], 2))'],
    ['floor(t)', 'integer = t'],
    ['if 1 < t <= 3 then 1 else 0', 'integer = select(and(less(1, t), less_equal(t, 3)), 1, 0)'],
    ['if t > 3 or t >= 1 then 1 else 0.5', 'real = select(or(less(3, t), less_equal(1, t)), 1, 0.5)'],
    ['if not t == 3 then 1 else 0', 'integer = select(not(equal(t, 3)), 1, 0)'],
    ['if layer == 0 and t != 3 then 1 else 0', 'integer = select(not_equal(t, 3), 1, 0)'],
    ['sum[s: token where true](s)', 'integer = sum[s: token](s)'],
    ['mean[s: token](s)', 'real = mean[s: token](s)'],
  ];
  test.each(cases)('%s', (written, meant) => {
    const value = lets(`let a[t: token] = ${written}`).at(-1);
    expect(value).toBe(`let a[t: token]: ${meant}`);
  });

  test('a choice between conditions is `and` and `or`', () => {
    expect(sites('visible[h, i, j] = if h == 0 then i < 3 else j < 3')).toEqual([
      'visible#0 [h: head, i: token, j: token] = or(and(equal(h, 0), less(i, 3)), and(not(equal(h, 0)), less(j, 3)))',
    ]);
  });
});

describe('indices', () => {
  test('a query head reads the key head that it shares', () => {
    const body = 'learn f[h: kv_head] ~ 1\nquery, key [t, h, d] *= f[h]';
    expect(sites(body).map((site) => site.split('= ')[1])).toEqual(['f[div(h, 4)]', 'f[h]']);
    expect(sites(body, { kv_heads: 8 }).map((site) => site.split('= ')[1])).toEqual(['f[h]', 'f[h]']);
  });

  test('a cast, a computed number, and an argument of a `fn`', () => {
    expect(lets('fn f(q, n) = q[0, 0, n: dim] + q[0, 0, n + 1]\nlet a[p: pair] = f(query, p)')).toEqual([
      'let a[p: pair]: real = add(query#0[0, 0, p], query#0[0, 0, add(p, 1)])',
    ]);
  });

  test('each writing out of a `fn` has its own indices', () => {
    const { declarations } = checked('fn f(n) = sum[s: token](s * n)\nlet a[t: token] = f(t) + f(f(t))');
    const seen = JSON.stringify(declarations, (key, value) => (key === 'span' ? undefined : (value as unknown)));
    expect(seen.match(/"name":"s"/g)!.length).toBeGreaterThan(2);
    const [only] = declarations;
    if (only?.kind !== 'let' || only.value.kind !== 'call') throw new Error('not a sum');
    const [first, second] = only.value.args;
    if (first?.kind !== 'reduce' || second?.kind !== 'reduce') throw new Error('not reductions');
    expect(first.over[0]).not.toBe(second.over[0]);
  });

  test('declarations come before what reads them', () => {
    const found = lets(
      'let c[t: token] = b[t] + a\nlet b[t: token] = position[t] * n[t] + length\nlearn a ~ 2\ngiven n[t: token]',
    );
    expect(found.map((one) => one.split('[')[0])).toEqual([
      'position position',
      'given n',
      'let b',
      'learn a',
      'let c',
    ]);
  });
});

describe('sites', () => {
  test('rotate: pairs, layout, first feature', () => {
    expect(sites('axis band = 8\nrotate output [i, h, b: band] by i * b interleaved from 16')).toEqual([
      'rotate output#0 [i: token, h: head, b: band] by multiply(i, b) interleaved from 16',
    ]);
  });

  test('transform: blocks, or one block', () => {
    expect(sites('axis n = 8, s = 8\ntransform value [t, h, b: n, r: s, c: s] by r * c + b')).toEqual([
      'transform value#0 [t: token, h: kv_head, b: n, r: s, c: s] by add(multiply(r, c), b)',
    ]);
    expect(sites('transport key [t, h, r, c] by delta(r, c)')).toEqual([
      'transport key#0 [t: token, h: kv_head, r: dim, c: dim] by select(equal(r, c), 1, 0)',
    ]);
  });
});

describe('parents and laws', () => {
  const rope =
    'encoding rope {\n  param base = 10000\n  rotate query, key [t, h, p] by position[t] * base ^ -p\n  expect relative\n}\n';

  test('claims are not inherited', () => {
    const encoding = checked(
      'import "rope.pe"\nencoding a extends rope {\n  expect causal, starts_as(rope)\n}',
      undefined,
      { 'rope.pe': rope },
    );
    expect(encoding.laws.map((law) => [law.name, law.encoding?.name ?? null])).toEqual([
      ['causal', null],
      ['starts_as', 'rope'],
    ]);
  });

  test('`starts_as` compares for the same model and the same params', () => {
    const encoding = checked(
      'import "rope.pe"\nencoding a extends rope {\n  expect starts_as(rope)\n}',
      { params: { base: 500 } },
      { 'rope.pe': rope },
    );
    expect(encoding.laws[0]!.encoding!.params.get('base')).toBe(500);
  });

  test('rope and nope need no import', () => {
    expect(checked('expect starts_as(nope), starts_as(rope)').laws.map((law) => law.encoding!.sites.length)).toEqual([
      0, 2,
    ]);
  });

  test('one grandparent by two ways stands once', () => {
    const text = `${rope}encoding b extends rope {\n}\nencoding c extends rope {\n  score[h, i, j] *= 2\n}\nencoding d extends b, c {\n}`;
    expect(sites(text).map((site) => site.split(' [')[0])).toEqual(['rotate query#0', 'rotate key#0', 'score#0']);
  });

  test('an encoding by name, an import from a folder', () => {
    const text = 'import "lib/rope.pe"\nencoding a extends rope {\n}\n';
    const { checked: found } = say(
      new Map([
        ['x/main.pe', text],
        ['x/lib/rope.pe', rope],
      ]),
      {},
      false,
    );
    expect(found!.sites.length).toBe(2);
  });
});
