// Random encodings whose parts read the embedding of a token, alone or with what a table over the vocabulary cannot have.

import { generator } from './score-programs.ts';

export interface VocabularyProgram {
  readonly text: string;
  /** Names of `let`s that are functions of the id, and of those that are not. */
  readonly ofWord: readonly string[];
  readonly others: readonly string[];
}

const declarations = `
  axis  channel = 3
  learn w[m: model, h: head]    ~ normal(0, 0.3)
  learn u[h: head]              ~ normal(0, 0.3)
  learn E[m: model, r: channel] ~ normal(0, 0.3)
`;

const word = 'sum[m: model](embedding[t, m] * w[m, h])';
const ofHead: readonly (readonly [string, boolean])[] = [
  [`sigmoid(${word} + u[h])`, true],
  [`tanh(${word}) * embedding[t, 2]`, true],
  ['sum[m: model](tanh(embedding[t, m] + w[m, h]) * embedding[t, clamp(m + 1, 0, model_dim - 1)])', true],
  ['sum[r: channel](mixed[t, r] * E[1, r]) * u[h]', true],
  [`if ${word} > 0.1 then u[h] else ${word}`, true],
  [`sigmoid(${word} * position[t])`, false],
  [`sigmoid(${word} + x[t, 0])`, false],
  ['sum[m: model](embedding[t - 1, m] * w[m, h])', false],
  [`${word} / (t + 1)`, false],
  ['sum[s: token where s <= t](embedding[s, 1])', false],
];
const uses: readonly ((name: string) => string)[] = [
  (name) => `rotate query, key [t, h, p] by sum[s: token where s <= t](sigmoid(${name}[s, h]) ^ p)`,
  (name) => `score[h, i, j] += ${name}[j, h] * u[h]`,
  (name) => `score[h, i, j] += ${name}[i, h] * ${name}[j, h]`,
  (name) => `score[h, i, j] += sum[s: token where j < s <= i](log_sigmoid(${name}[s, h]))`,
  (name) => `query[t, h, d] *= 1 + ${name}[t, h] / (d + 1)`,
  (name) => `value[t, h, d] += ${name}[t, h]`,
];

export function vocabularyProgram(seed: number): VocabularyProgram {
  const below = generator(seed);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
  const [ofWord, others]: string[][] = [[], []];
  const left = [...ofHead]; // equal ones would become one
  const lets = ['a', 'b', 'c'].map((name) => {
    const [[body, isOfWord]] = left.splice(below(left.length), 1) as [(typeof ofHead)[number]];
    (isOfWord ? ofWord! : others!).push(name);
    return `  let ${name}[t: token, h: head] = ${body}`;
  });
  const mixed = '  let mixed[t: token, r: channel] = softmax[r](sum[m: model](embedding[t, m] * E[m, r]))';
  const sites = ['a', 'b', 'c'].map((name) => `  ${pick(uses)(name)}`);
  // Changes of query and value stand above the score.
  const above = sites.filter((site) => !site.includes('score'));
  const lines = [mixed, ...lets, ...above, ...sites.filter((site) => !above.includes(site))];
  return { text: `encoding made {${declarations}\n${lines.join('\n')}\n}\n`, ofWord: ofWord!, others: others! };
}
