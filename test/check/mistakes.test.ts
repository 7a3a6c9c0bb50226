// Plausible mistakes and the one message that each is answered with.

import { describe, expect, test } from 'vitest';
import { sayText } from '../diagnostics/front.ts';

type Row = readonly [written: string, code: string, message: string, hint?: string];

const theta = 'let theta[p: pair] = 10000 ^ (-2 * p / head_dim)';
const angle = `${theta}\nlet angle[t: token, p: pair] = position[t] * theta[p]`;
const W = 'learn W[m: model, h: head] ~ normal(0, 0.02)';
const E = 'axis place = context\nlearn E[n: place, m: model] ~ 0';

const groups: Readonly<Record<string, readonly Row[]>> = {
  names: [
    ['let a[t: token] = hed_dim * t', 'PE0201', 'nothing here is called `hed_dim`', 'did you mean `head_dim`?'],
    ['let a[t: token] = positon[t]', 'PE0201', 'nothing here is called `positon`', 'did you mean `position`?'],
    [`${theta}\nlet b[p: pair] = tehta[p]`, 'PE0201', 'nothing here is called `tehta`', 'did you mean `theta`?'],
    ['param base = 3\nlet a = 2 * bas', 'PE0201', 'nothing here is called `bas`', 'did you mean `base`?'],
    ['param base = 3\nlet a = bas(2)', 'PE0201', 'nothing here is called `bas`', 'did you mean `abs`?'],
    [
      'param suma = 3\nlet a[t: token] = sun[s: token](t * s)',
      'PE0201',
      'nothing here is called `sun`',
      'did you mean `sum`?',
    ],
    ['fn turn(n) = 2 * n\nlet a = tun(3)', 'PE0201', 'nothing here is called `tun`', 'did you mean `turn`?'],
    [
      `${theta}\nlet tanj = 1\nlet thta = 2\nlet b[p: pair] = teta[p]`,
      'PE0201',
      'nothing here is called `teta`',
      'did you mean `theta`?',
    ],
    ['let a = position[t]', 'PE0201', 'nothing here is called `t`'],
    ['let a[t: tokens] = t', 'PE0202', 'there is no axis `tokens`', 'did you mean `token`?'],
    ['let a[h: heads] = h', 'PE0202', 'there is no axis `heads`', 'did you mean `head`?'],
    ['let a[s: side] = s', 'PE0202', 'there is no axis `side`', 'declare it: `axis side = <its size>`'],
    [
      'param side = 4\nlet a[s: side] = s',
      'PE0202',
      'there is no axis `side`',
      '`side` is a number: declare an axis of that size, `axis place = side`',
    ],
    ['let a[p: pair] = p / pair', 'PE0203', '`pair` is an axis, not a number: use `head_dim / 2`'],
    ['let a[t: token] = t / token', 'PE0203', '`token` is an axis, not a number: use `length`'],
    ['param n = 3\naxis place = n\nlet a = 1 / place', 'PE0203', '`place` is an axis, not a number: use `n`'],
    [
      'let f[t: token] = cumsum[t](position[t])',
      'PE0204',
      'there is no `cumsum`: a scan is a sum with a condition, `sum[s: token where s <= t](f[s])`',
    ],
    ['mask[h, i, j] = j < i', 'PE0204', 'there is no `mask`: what a query may see is `visible[h, i, j] = condition`'],
    [
      'score[h, i, j] += raw_score[h, i, j]',
      'PE0204',
      'there is no `raw_score`: `score` already has the factor `scale`',
    ],
    [
      'axis place = seq_len',
      'PE0204',
      'there is no `seq_len`: the length trained for is `context`, that of this sequence is `length`',
    ],
    ['learn b[h: head] ~ zeros(1)', 'PE0204', 'there is no `zeros` here: write `~ 0`'],
    [
      'let a[t: token] = einsum(query, key)',
      'PE0204',
      'there is no `einsum`: write the sum, `sum[m: model](x[t, m] * W[m, h])`',
    ],
    ['let a = sqrt(d_model)', 'PE0204', 'there is no `d_model` here: it is called `model_dim`'],
    ['let a[t: token] = pow(2, t)', 'PE0204', 'there is no `pow(a, b)` here: write `a ^ b`'],
    ['param a = 1\nparam a = 2', 'PE0205', 'the name `a` is declared twice'],
    ['axis a = 1, a = 2', 'PE0205', 'axis `a` is declared twice'],
    ['let scale = 2', 'PE0206', '`scale` is built in (a number) and cannot be declared again'],
    ['let position[t: token] = t', 'PE0206', '`position` is built in (a tensor) and cannot be declared again'],
    [
      'let s[t: token] = t\nlet b[t: token] = sum[s: token](s * t)',
      'PE0207',
      'index `s` is already the name of a `let`',
      'take another letter, `u` is free',
    ],
    ['let b[t: token] = sum[t: token](t)', 'PE0207', 'index `t` is already the name of an index around it'],
    ['let b[pi: token] = pi', 'PE0207', 'index `pi` is already the name of a number that is built in'],
    ['fn f(a) = sum[a: token](a)\nlet b = f(1)', 'PE0207', 'index `a` is already the name of a parameter of this `fn`'],
    ['let a[t: token] = a[t - 1] + 1', 'PE0208', '`a` is declared by itself'],
    ['param a = b\nlet b = a + 1', 'PE0208', 'these need each other: `a` -> `b` -> `a`'],
    ['fn f(n) = f(n - 1)\nlet b = f(1)', 'PE0208', '`f` is declared by itself'],
    ['let a[t: token] = exp(t, 2)', 'PE0209', '`exp` takes 1 argument, `exp(a)`, here it has 2 arguments'],
    ['let a[t: token] = max(t)', 'PE0209', '`max` takes at least 2 arguments, here it has 1 argument'],
    ['fn f(a, b) = a + b\nlet c = f(1)', 'PE0209', '`f` takes 2 arguments, `f(a, b)`, here it has 1 argument'],
    ['let a[t: token] = scale(t)', 'PE0210', '`scale` is a number, not a function'],
    [
      'let a[t: token] = position(t)',
      'PE0210',
      '`position` is a tensor, not a function',
      'read it at its indices: `position[t]`',
    ],
    ['let a[t: token] = exp', 'PE0211', '`exp` is a function: give it its arguments, `exp(a)`'],
    ['fn f(g) = g(1)\nlet a = f(exp)', 'PE0212', '`exp` is a function and cannot be an argument'],
    ['param base = 1\nfn f(base) = base\nlet a = f(2)', 'PE0207', 'parameter `base` is already the name of a param'],
    ['fn f(a, a) = a\nlet b = f(1, 2)', 'PE0319', '`a` stands twice between these brackets'],
    ['let a = constructor', 'PE0201', 'nothing here is called `constructor`'],
    ['let a[t: toString] = t', 'PE0202', 'there is no axis `toString`'],
    ['let a[t: token] = exp[t](t)', 'PE0216', '`exp` is a function and has no indices'],
  ],
  'axes and indices': [
    [
      `${W}\nlet f[t: token, h: head] = sum[m: model](x[t, m] * W[h, m])`,
      'PE0301',
      'index `h` runs over `head`; `W` wants `model` here',
      'did you mean `W[m, h]`?',
    ],
    [
      'let a[t: token, p: pair] = query[t, 0, p]',
      'PE0301',
      'index `p` runs over `pair`; `query` wants `dim` here',
      '`p: dim` reads it as a place on `dim`: the first half of them, and the other half is `p + head_dim / 2`',
    ],
    [
      `${E}\nembedding[t, m] += E[t, m]`,
      'PE0301',
      'index `t` runs over `token`; `E` wants `place` here',
      'a computed number may stand here: `clamp(t, 0, context - 1)`',
    ],
    [
      'score[h, i, j] += sum[d: dim](query[i, h, d] * key[j, d, h])',
      'PE0301',
      'index `d` runs over `dim`; `key` wants `kv_head` here',
      'did you mean `key[j, h, d]`?',
    ],
    ['let a[t: token] = query[t, 0]', 'PE0302', '`query` is over [token, head, dim]: 3 indices, not 2'],
    [
      `${angle}\nrotate query, key [t, h, p] by angle`,
      'PE0303',
      '`angle` is over [token, pair]: write its indices, `angle[t, p]`',
    ],
    ['let a[t: token] = position', 'PE0303', '`position` is over [token]: write its indices, `position[t]`'],
    [
      'fn f(q) = q + 1\nlet a = f(query)',
      'PE0303',
      '`query` is over [token, head, dim]: write its indices, `query[t, h, d]`',
    ],
    ['param a = 3\nlet b[t: token] = a[t]', 'PE0304', '`a` is a param and has no indices'],
    ['let a[t: token] = sum[s](position[s])', 'PE0305', 'a reduction binds its index: `sum[s: token](...)`'],
    ['let a[t: token] = sum(position[t])', 'PE0305', 'a reduction binds its index: `sum[s: token](...)`'],
    [
      'let a[t: token] = mean[s - 1: token](position[s])',
      'PE0306',
      'left of the colon stands a new index, a name: `mean[s: token](...)`',
    ],
    [
      'let a[t: token] = softmax[s](t)',
      'PE0307',
      '`softmax` works along an index that is already in scope',
      'in scope here: `t`',
    ],
    ['let a[r: dim, c: dim] = expm[r](r - c)', 'PE0308', '`expm` works along a row and a column: `expm[r, c](...)`'],
    ['let a[t: token] = sum[s: token]', 'PE0309', 'what `sum` works on stands in parentheses: `sum[s: token](...)`'],
    ['let a[p: pair] = query[0, 0, p: model]', 'PE0310', '`query` wants `dim` here, not `model`'],
    [
      'learn f[t: head] ~ 1\nkey[t, h, d] *= f[h]',
      'PE0311',
      '4 query heads share this key: declare `f` over `kv_head`',
    ],
    [
      'key[t, h, d] *= query[t, h, d]',
      'PE0311',
      '4 query heads share one `kv_head`: `h` does not say which of them `query` is read at',
    ],
    [
      'learn E[t: token, m: model] ~ 0',
      'PE0312',
      '`token` has no fixed size, so `E` cannot be stored over it',
      'declare `axis place = context` and read `E[position[t], m]`',
    ],
    ['let a[t] = t', 'PE0313', '`a` must say the axis of `t`: `t: <axis>`', 'write `t: token`'],
    [
      'query, key [t, h: head, d] *= 2',
      'PE0314',
      '`key` is over `kv_head` here, not `head`',
      'leave the axis out: `h`',
    ],
    ['axis place = head_dim / 3', 'PE0315', 'axis `place` would have size 21.33'],
    ['axis place = 0', 'PE0315', 'axis `place` would have size 0'],
    [
      'let a[t: token] = position[t where t < 3]',
      'PE0317',
      '`where` belongs to a reduction, `position[...]` only reads',
    ],
    [
      'let a[t: token, h: head] = expm[t, h](1)',
      'PE0318',
      '`expm` wants a square matrix, this one is `token` (tokens) by `head` (8)',
    ],
    ['score[h, t, t] += 1', 'PE0319', '`t` stands twice between these brackets'],
    [
      'transform query [t, h, b, r, c] by delta(r, c)',
      'PE0320',
      '`transform` must know the axis of `b`: `query [t, h, b: place, r: side, c: side]`',
    ],
  ],
  'types, values and ranges': [
    [
      'score[h, i, j] += i - j < 5',
      'PE0401',
      'a condition is not a number',
      'write `visible[h, i, j] = i - j < 5`, or `if ... then ... else ...`',
    ],
    [
      'let a[t: token] = sum[s: token](s < t)',
      'PE0401',
      'a condition is not a number',
      'to count, write `if ... then 1 else 0`',
    ],
    ['let a[t: token] = if t then 1 else 0', 'PE0402', '`if` wants a condition, this is a number'],
    ['visible[h, i, j] = i - j', 'PE0402', '`visible` wants a condition, this is a number'],
    ['let a[t: token] = sum[s: token where s](s)', 'PE0402', '`where` wants a condition, this is a number'],
    [
      'let a[t: token] = x[t / 2, 0]',
      'PE0403',
      'an index of `x` is a whole number, this is real',
      'write `floor(t / 2)`',
    ],
    [
      'given position[t: token]\nlet a[t: token] = x[position[t], 0]',
      'PE0403',
      'an index of `x` is a whole number, this is real',
      'write `floor(position[t])`',
    ],
    ['let a[t: token] = if t < 1 then 1 else t > 3', 'PE0404', 'one branch is a number, the other a condition'],
    ['let a[t: token] = xor(t, 1.5)', 'PE0405', '`xor` works on whole numbers, this is real'],
    [
      'param base = length',
      'PE0406',
      'param `base` must be known when compiling, and `length` is known only at run time',
      'the length trained for is `context`',
    ],
    [
      'learn n ~ 3\naxis place = n',
      'PE0406',
      'the size of axis `place` must be known when compiling, and `n` is a tensor',
    ],
    [
      'query[t, h, d] *= 2 when training',
      'PE0406',
      '`when` must be known when compiling, and `training` is known only at run time',
    ],
    [
      'let a[t: token] = normal(0, 1)',
      'PE0407',
      '`normal` stands only after `~`',
      'a fresh random number each step is `draw u[t: token] ~ normal(...)`',
    ],
    [
      'learn a[h: head] ~ 0\nlearn b[h: head] ~ a[h]',
      'PE0408',
      'an initial value reads its own indices, numbers and `fixed` tensors; `a` is a learned tensor',
    ],
    [
      'learn a[h: head] ~ position[h]',
      'PE0408',
      'an initial value reads its own indices, numbers and `fixed` tensors; `position` is known only for a sequence',
    ],
    ['let a = log(0 - 1)', 'PE0409', '`log(0 - 1)` has no value'],
    ['let a = 1 / layer', 'PE0409', '`1 / layer` is infinite'],
    [
      `${E}\nlet a[t: token] = E[t + 0, 0]`,
      'PE0410',
      'this may be outside `place` (0 to 127), where `E` is 0',
      'write `clamp(t + 0, 0, context - 1)`',
    ],
    [`${E}\nlet a = E[context, 0]`, 'PE0410', 'this is outside `place` (0 to 127): `E` is always 0 here'],
    [
      'let a[t: token] = sum[s: token](position[t])',
      'PE0411',
      '`s` is not used in this sum: it only multiplies by `length`',
    ],
    ['param on = true', 'PE0412', 'param `on` is a condition: a param is a number', 'write 1 or 0 and ask `on > 0`'],
    ['let a[t: token] = if t == (t < 2) then 1 else 0', 'PE0413', '`==` compares numbers, this is a condition'],
  ],
  'sites and the chain': [
    [
      `${theta}\ntheta[p] *= 2`,
      'PE0601',
      '`theta` is a `let`: a site changes `embedding`, `x`, `query`, `key`, `value`, `visible`, `score`, `attention`, `output` or `loss`',
    ],
    ['quary[t, h, d] *= 2', 'PE0201', 'nothing here is called `quary`', 'did you mean `query`?'],
    ['position[t] += 1', 'PE0602', '`position` is read only'],
    [
      'visible[h, i, j] *= i < j',
      'PE0603',
      '`visible` takes `=`, not `*=`: it is a condition that narrows what the model shows',
    ],
    ['loss = 3', 'PE0603', '`loss` takes `+=`, not `=`: every layer adds its part to the loss of the model'],
    ['rotate score [h, i, j] by 1', 'PE0604', '`rotate` works on `query`, `key`, `value` or `output`, not on `score`'],
    ['transport query [t, h, r, c] by 1', 'PE0604', '`transport` works on `key`, not on `query`'],
    ['score += 1', 'PE0605', '`score` needs its indices: `score[h, i, j]`'],
    ['score[i, j] += i - j', 'PE0605', '`score` has 2 indices here: write `score[h, i, j]`'],
    [
      'transform query [t, h] by 1',
      'PE0605',
      '`query` has 2 indices here: write `query [t, h, r, c]` or `query [t, h, b: place, r: side, c: side]`',
    ],
    [
      'score[h, i, j] += i - j\nrotate query, key [t, h, p] by p',
      'PE0606',
      'the scores above were made from `query`: move this line above line 2',
    ],
    [
      'let a[h: head, i: token, j: token] = score[h, i, j]\nrotate key [t, h, p] by p',
      'PE0606',
      'the scores above were made from `key`: move this line above line 2',
    ],
    [
      'output[i, h, d] *= 2\nattention[h, i, j] *= 2',
      'PE0606',
      'the output above was made from `attention`: move this line above line 2',
    ],
    ['x[t, m] += query[t, 0, 0]', 'PE0607', '`x` cannot be made from `query`, which is made from it'],
    [
      'score[h, i, j] += a[h, i, j]\nlet a[h: head, i: token, j: token] = score[h, i, j]',
      'PE0608',
      'this line needs `a`, which reads the `score` that this line makes',
    ],
    ['embedding[t, m] += layer', 'PE0609', 'the embedding exists once, before layer 0: `layer` has no value here'],
    [
      'let a = layer * 2\nlet b[m: model] = a * m\nembedding[t, m] += b[m]',
      'PE0609',
      'the embedding exists once, before layer 0: `layer` has no value here',
    ],
    [
      'rotate query, key [t, h, p] by t from 8',
      'PE0610',
      '32 pairs from feature 8 need 72 features; a head has 64',
      'at most 28 pairs fit after feature 8',
    ],
    [
      'axis band = 4\nrotate query, key [t, h, p: band] by t from -2',
      'PE0611',
      '`from` is the first feature that turns, a whole number from 0, not -2',
    ],
    [
      'axis b = 5, s = 3\ntransform query [t, h, n: b, r: s, c: s] by delta(r, c)',
      'PE0612',
      '5 blocks of 3 features make 15; a head has 64',
    ],
    ['rotate query, query [t, h, p] by t', 'PE0613', '`query` stands twice in this line'],
    ['loss += 0.1 * loss', 'PE0614', '`loss` is only added to, with `loss += ...`; it cannot be read'],
    [
      'rotate query [t, h, d: dim] by t',
      'PE0615',
      'the third index of `rotate` counts pairs of features; `d` runs over `dim`',
    ],
  ],
  'laws and files': [
    ['expect reltive', 'PE0701', 'there is no law `reltive`', 'did you mean `relative`?'],
    ['expect starts_as', 'PE0702', '`starts_as` says which encoding it starts as: `starts_as(rope)`'],
    ['expect causal(rope)', 'PE0702', '`causal` takes no argument'],
    [
      'expect starts_as(fire)',
      'PE0703',
      '`starts_as(fire)` cannot be asked: `fire` is not an encoding that compiles here',
      'import its file at the top: `import "fire.pe"`',
    ],
    ['import "rop.pe"\nencoding a {\n}', 'PE0801', 'there is no file "rop.pe" beside this one'],
    [
      'encoding a extends rope {\n}',
      'PE0802',
      'there is no encoding `rope` in this file or its imports',
      'import its file at the top: `import "rope.pe"`',
    ],
    ['encoding a extends a {\n}', 'PE0803', 'these extend each other: `a` -> `a`'],
    [
      'encoding a {\n param n = 1\n}\nencoding b {\n param n = 2\n}\nencoding c extends a, b {\n}',
      'PE0804',
      '`a` and `b` both declare `n`: declare it here to settle which holds',
    ],
    [
      'encoding a {\n let f[t: token] = t\n}\nencoding b extends a {\n let f[h: head] = h\n}',
      'PE0316',
      '`f` is over [token] in the parent and over [head] here: the axes must stay',
    ],
    [
      'encoding a {\n fn f(n) = n\n}\nencoding b extends a {\n let f = 1\n}',
      'PE0807',
      '`f` is a `fn` in the parent and a `let` here',
    ],
  ],
};

const whole = (written: string): string =>
  written.includes('encoding ') ? `${written}\n` : `encoding example {\n${written.replaceAll(/^/gm, '  ')}\n}\n`;

describe.each(Object.entries(groups))('%s', (_, rows) => {
  test.each(rows.map((row) => [row[0], row] as const))('%s', (written, [, code, message, hint]) => {
    const said = sayText(whole(written)).diagnostics.filter((one) => one.severity !== 'note');
    expect(said.map((one) => `${one.code} ${one.message}`)).toEqual([`${code} ${message}`]);
    if (hint !== undefined) expect(said[0]!.hint).toBe(hint);
  });
});

test('independent mistakes are all reported, each once', () => {
  const text = whole(
    `${W}
let theta[p: pair] = 1 / pair
let angle[t: token, p: pair] = position[t] * theta[p]
let f[t: token, h: head] = sum[m: model](x[t, m] * W[h, m])
let g[t: tokn, h: head] = f[t, h] + nothing
score[h, i, j] += g[i, h] * (i < j)
rotate query, key [t, h, p] by angle`,
  );
  const codes = sayText(text).diagnostics.map((one) => one.code);
  expect(codes.toSorted()).toEqual(['PE0201', 'PE0202', 'PE0203', 'PE0301', 'PE0303', 'PE0401', 'PE0606']);
});

test('a mistake inside a `fn` says where it was called from, once', () => {
  const text = whole('fn f(n) = W[n]\nfn g(n) = f(n) + 1\nlet a[t: token] = g(t)\nlet b[t: token] = g(t)');
  const { diagnostics } = sayText(text);
  expect(diagnostics.length).toBe(1);
  const { span, labels } = diagnostics[0]!;
  expect(text.slice(span.start, span.end)).toBe('W');
  expect(labels!.map((label) => `${label.text}: ${text.slice(label.span.start, label.span.end)}`)).toEqual([
    'called here: g(t)',
    'called here: f(n)',
  ]);
});

test('a line with a syntax error does not make names unknown', () => {
  const { diagnostics } = sayText(
    whole('let a[t: token] = 2 ** t\nlet b[t: token] = a[t]\nlet c[t: token] = exp(t, 1)'),
  );
  expect(diagnostics.map((one) => one.code)).toEqual(['PE0104', 'PE0209']);
});
