// Random encodings as texts, for the tests of rewrites: sums of score terms with pieces of i, j, i - j, positions, learned
// tensors and running sums, alone, scaled and multiplied, and maps of query and key by exponentials of 2 x 2 matrices.

export interface ScoreProgram {
  readonly text: string;
  readonly pieces: readonly string[];
}

/** Numbers that look random, the same each time. */
export function generator(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 12345;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return (state >>> 8) % below;
  };
}

const declarations = `
  axis  channel = 10, few = 2
  learn w[m: model, h: head]             ~ normal(0, 0.3)
  learn u[h: head]                       ~ normal(0, 0.3)
  learn v[h: head]                       ~ normal(0, 0.3)
  learn E[m: model, r: channel]          ~ normal(0, 0.3)
  learn F[m: model, h: head, r: channel] ~ normal(0, 0.3)

  learn G[m: model, q: few]              ~ normal(0, 0.3)

  let slope[h: head] = 2 ^ (-8 * (h + 1) / heads)
  let gate[t: token, h: head] = log_sigmoid(sum[m: model](x[t, m] * w[m, h]) + u[h])
  let heat[t: token, h: head] = sum[m: model](x[t, m] * w[m, h]) * v[h]
  let g[t: token, q: few] = sum[m: model](x[t, m] * G[m, q])
  let e[t: token, r: channel] = sum[m: model](x[t, m] * E[m, r])
  let f[t: token, h: head, r: channel] = sum[m: model](x[t, m] * F[m, h, r])
`;

/** Of a row and its head. */
const ofToken = (t: string): readonly string[] => [
  `gate[${t}, h]`,
  `heat[${t}, h]`,
  `${t} / 8`,
  `position[${t}] * slope[h]`,
  `position[${t}] * u[h] / 4`,
  `tanh(heat[${t}, h] + u[h])`,
  `sum[s: token where s <= ${t}](gate[s, h])`,
  `u[h] * heat[${t}, h] * 0.5`,
];

const pairTerms: readonly string[] = [
  'sin(i - j) * u[h]',
  '(i - j) * u[h] / 8',
  '-slope[h] * (i - j)',
  'slope[h] * (position[i] - position[j]) / 3',
  'heat[i, h] * heat[j, h]',
  'sum[s: token where j < s <= i](gate[s, h])',
  'sum[r: channel](f[i, h, r] * f[j, h, r]) * 0.5',
  'sum[r: channel](f[i, h, r] * e[j, r]) / 2',
  '-sum[q: few](g[i, q] * g[j, q]) * slope[h]',
  'slope[h] * sum[r: channel](f[j, h, r] * e[i, r])',
];

const factors: readonly string[] = ['u[h]', '0.5', '-1', '(1 + heat[i, h])', 'slope[h]'];

export function scoreProgram(seed: number): ScoreProgram {
  const below = generator(seed);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
  const term = (): string => {
    const [row, key] = [pick(ofToken('i')), pick(ofToken('j'))];
    switch (below(8)) {
      case 0:
        return row;
      case 1:
        return key;
      case 2:
        return `${row} - ${key}`;
      case 3:
        return `${pick(factors)} * (${row} - ${key})`;
      case 4:
        return `(${key} + ${row}) / (2 + slope[h])`;
      case 5:
        return pick(pairTerms.filter((one) => one.includes('channel')));
      default:
        return pick(pairTerms);
    }
  };
  const pieces: string[] = [];
  const line = (operator: string, what: string): string => {
    pieces.push(what);
    return `  score[h, i, j] ${operator} ${what}`;
  };
  const sites = Array.from({ length: 1 + below(4) }, () =>
    below(6) === 0 ? line('*=', pick(['(1 + u[h] ^ 2)', '0.7', '(1 + 0.1 * heat[i, h])'])) : line('+=', term()),
  );
  return { text: `encoding made {${declarations}\n${sites.join('\n')}\n}\n`, pieces };
}

const generators: readonly (readonly [text: string, isSkew: boolean])[] = [
  ['position[t] * (P[h, b, r, c] - P[h, b, c, r]) / 4', true],
  ['speed[t, h, b] * (P[h, b, r, c] - P[h, b, c, r])', true],
  ['(P[h, b, c, r] - P[h, b, r, c]) * -speed[t, h, b] + position[t] * (P[h, b, r, c] - P[h, b, c, r])', true],
  ['sin(position[t]) * P[h, b, r, c] / 3', false],
  ['speed[t, h, b] * (P[h, b, r, c] + P[h, b, c, r]) / 5', false],
];

export function matrixProgram(seed: number): ScoreProgram & { readonly isSkew: boolean } {
  const below = generator(seed);
  const [body, isSkew] = generators[below(generators.length)]!;
  const order = below(2) === 0 ? 'r, c' : 'c, r';
  const targets = ['query, key', 'query', 'key, value'][below(3)]!;
  const text = `encoding made {
  axis  place = head_dim / 2, side = 2
  learn P[h: kv_head, b: place, r: side, c: side] ~ normal(0, 1)
  learn W[m: model, h: kv_head, b: place]         ~ normal(0, 1)

  let speed[t: token, h: kv_head, b: place] = sum[m: model](x[t, m] * W[m, h, b])

  transform ${targets} [t, h, b: place, r: side, c: side] by expm[${order}](${body})
}
`;
  return { text, pieces: [body, targets], isSkew };
}
