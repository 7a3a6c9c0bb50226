// Functions that generated host code may call; a module gets those it uses. Same meaning as src/ir/ops.ts in float64,
// which a test checks by running both.

import type { Statement } from './structure.ts';

interface Helper {
  readonly docs: string;
  readonly parameters: readonly string[]; // `name: type`
  readonly result: string;
  readonly body: readonly string[];
  readonly uses: readonly string[];
}

const numeric = (docs: string, parameters: string, body: readonly string[], uses: readonly string[] = []): Helper => ({
  docs,
  parameters: parameters.split(' ').map((name) => `${name}: number`),
  result: 'number',
  body,
  uses,
});

const draw = (docs: string, parameters: string, body: readonly string[], uses: readonly string[] = []): Helper => ({
  docs,
  parameters: [
    'random: (element: number, site: number) => number',
    ...`element site ${parameters}`.split(' ').map((name) => `${name}: number`),
  ],
  result: 'number',
  body,
  uses,
});

const helpers = {
  mod: numeric('Floored remainder: the sign of the divisor.', 'a b', [
    'const rest = a % b;',
    'return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;',
  ]),
  div: numeric('Floored quotient.', 'a b', ['return Math.floor(a / b);']),
  roundEven: numeric('To the nearest whole number, halves to even.', 'x', [
    'const down = Math.floor(x);',
    'const rest = x - down;',
    'if (rest !== 0.5) return rest < 0.5 ? down : down + 1;',
    'return down % 2 === 0 ? down : down + 1;',
  ]),
  popcount: numeric('Ones in the binary form of a 32-bit integer.', 'x', [
    'let ones = 0;',
    'for (let rest = x >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) ones++;',
    'return ones;',
  ]),
  sigmoid: numeric('', 'x', ['return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));']),
  softplus: numeric('log(1 + exp(x))', 'x', ['return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));']),
  logSigmoid: numeric('log(sigmoid(x))', 'x', ['return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));']),
  relu: numeric('', 'x', ['return x > 0 ? x : 0;']),
  silu: numeric('', 'x', ['return x * sigmoid(x);'], ['sigmoid']),
  gelu: numeric('The tanh form, as GPT-2 has it.', 'x', [
    'return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));',
  ]),
  erf: numeric('2/sqrt(pi) exp(-x^2) times a series of one sign.', 'x', [
    'if (Math.abs(x) > 6) return Math.sign(x);',
    'let term = x;',
    'let sum = x;',
    'for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {',
    '  term *= (2 * x * x) / (2 * n + 1);',
    '  sum += term;',
    '}',
    'return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;',
  ]),
  expm: {
    docs: 'Matrix exponential of the n x n matrix at `offset`, in place: scaling, Taylor series, squaring.',
    parameters: ['values: Float64Array', 'offset: number', 'n: number'],
    result: 'void',
    body: [
      'const a = values.slice(offset, offset + n * n);',
      'const multiply = (left: Float64Array, right: Float64Array) => {',
      '  const product = new Float64Array(n * n);',
      '  for (let r = 0; r < n; r++)',
      '    for (let k = 0; k < n; k++)',
      '      for (let c = 0; c < n; c++) product[r * n + c]! += left[r * n + k]! * right[k * n + c]!;',
      '  return product;',
      '};',
      'let norm = 0;',
      'for (let r = 0; r < n; r++) norm = Math.max(norm, a.slice(r * n, r * n + n).reduce((s, x) => s + Math.abs(x), 0));',
      'const squarings = Math.max(0, Math.ceil(Math.log2(norm || 1)) + 2);',
      'let power = a.map((_, k) => (k % (n + 1) === 0 ? 1 : 0));',
      'let sum = power.slice();',
      'for (let k = 1; k <= 18; k++) {',
      '  power = multiply(power, a).map((x) => x / k / 2 ** squarings);',
      '  sum = sum.map((x, at) => x + power[at]!);',
      '}',
      'for (let k = 0; k < squarings; k++) sum = multiply(sum, sum);',
      'values.set(sum, offset);',
    ],
    uses: [],
  },
  inverse: {
    docs: 'Inverse of the n x n matrix at `offset`, in place: Gauss-Jordan with partial pivoting.',
    parameters: ['values: Float64Array', 'offset: number', 'n: number'],
    result: 'void',
    body: [
      'const rows = Array.from({ length: n }, (_, r) => [',
      '  ...values.slice(offset + r * n, offset + r * n + n),',
      '  ...Array.from({ length: n }, (_, c) => (r === c ? 1 : 0)),',
      ']);',
      'for (let p = 0; p < n; p++) {',
      '  let pivot = p;',
      '  for (let r = p + 1; r < n; r++) if (Math.abs(rows[r]![p]!) > Math.abs(rows[pivot]![p]!)) pivot = r;',
      '  [rows[p], rows[pivot]] = [rows[pivot]!, rows[p]!];',
      '  const scale = rows[p]![p]!;',
      '  const above = rows[p]!.map((x) => x / scale);',
      '  rows.forEach((row, r) => (rows[r] = r === p ? above : row.map((x, c) => x - row[p]! * above[c]!)));',
      '}',
      'rows.forEach((row, r) => values.set(row.slice(n), offset + r * n));',
    ],
    uses: [],
  },
  required: {
    docs: 'A tensor that the caller must give.',
    parameters: ['given: Readonly<Record<string, ArrayLike<number>>>', 'name: string', 'length: number'],
    result: 'ArrayLike<number>',
    body: [
      'const values = Object.hasOwn(given, name) ? given[name] : undefined;',
      'if (values === undefined || values.length < length)',
      '  throw new RangeError(`given.${name} must have ${length} numbers, not ${values?.length ?? 0}`);',
      'return values;',
    ],
    uses: [],
  },
  positions: {
    docs: "The caller's position of every token, or 0, 1, 2, ...",
    parameters: ['given: Readonly<Record<string, ArrayLike<number>>>', 'keys: number'],
    result: 'ArrayLike<number>',
    body: [
      "if (Object.hasOwn(given, 'position')) return required(given, 'position', keys);",
      'return Float64Array.from({ length: keys }, (_, t) => t);',
    ],
    uses: ['required'],
  },
  uniform: draw('Uniform in [low, high).', 'low high', ['return low + (high - low) * random(element, site);']),
  normal: draw('Normally distributed, by Box and Muller.', 'mean deviation', [
    'const radius = Math.sqrt(-2 * Math.log1p(-random(element, site)));',
    'return mean + deviation * radius * Math.cos(2 * Math.PI * random(element, site + 1));',
  ]),
  truncNormal: draw(
    'Normally distributed, within two standard deviations: the inverse of its distribution function, by bisection.',
    'mean deviation',
    [
      'const wanted = (2 * random(element, site) - 1) * erf(Math.SQRT2);',
      'let low = -2;',
      'let high = 2;',
      'for (let k = 0; k < 60; k++) {',
      '  const middle = (low + high) / 2;',
      '  if (erf(middle / Math.SQRT2) < wanted) low = middle;',
      '  else high = middle;',
      '}',
      'return mean + deviation * low;',
    ],
    ['erf'],
  ),
} as const satisfies Record<string, Helper>;

export type HelperName = keyof typeof helpers;

export const helperNames = Object.keys(helpers) as readonly HelperName[];

/** The functions of `used` and what they use, in the order of the table. */
export function helperFunctions(used: ReadonlySet<HelperName>): Statement[] {
  const all = new Set<string>();
  const add = (name: string): void => {
    if (all.has(name)) return;
    all.add(name);
    (helpers as Record<string, Helper>)[name]?.uses.forEach(add);
  };
  used.forEach(add);
  return helperNames
    .filter((name) => all.has(name))
    .map((name): Statement => {
      const helper: Helper = helpers[name];
      return {
        kind: 'function',
        name,
        exported: false,
        docs: helper.docs === '' ? [] : [helper.docs],
        parameters: helper.parameters.map((parameter) => {
          const colon = parameter.indexOf(':');
          return { name: parameter.slice(0, colon), type: parameter.slice(colon + 1).trim() };
        }),
        result: helper.result,
        body: helper.body,
      };
    });
}
