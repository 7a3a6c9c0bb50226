// PE05xx: what the language can say and this compiler does not compile, and notes about what it compiles to.

import { error, note } from '../code.ts';

export const compileCodes = {
  transportForm: error('PE0501', 'a `transport` that is not one direction', (why: string) => ({
    message: `this \`transport\` is not compiled: ${why}`,
    hint: 'write `delta(r, c) - strength[t, h] * w[t, h, r] * w[t, h, c]`: the identity, less a multiple of one direction',
  })),
  rankNotCompiled: error('PE0502', '`rank` is not compiled', () => ({
    message: '`rank` is not compiled yet: no kernel sorts a row',
    hint: 'let the caller compute it: `given place[t: token]`',
  })),
  inverseNotCompiled: error('PE0503', '`inverse` is not compiled', () => ({
    message: '`inverse` is not compiled yet',
    hint: 'the inverse of `expm[r, c](A[r, c])` is `expm[r, c](-A[r, c])`; another can be supplied: `given back[...]`',
  })),
  lossNotCompiled: error('PE0504', 'a site on `loss` is not compiled', () => ({
    message: 'terms of the loss are not compiled yet: the kernels of an encoding end at `output`',
  })),
  drawNotCompiled: error('PE0505', '`draw` is not compiled', (name: string) => ({
    message: `random numbers of a step are not compiled yet, so \`${name}\` has no value`,
    hint: 'let the caller draw them: `given ...` with the same indices',
  })),
  inputSiteNotCompiled: error('PE0506', 'a site on `x` is not compiled', () => ({
    message: 'a change of `x` is not compiled yet: query, key and value would have to be projected from its result',
    hint: 'change `query`, `key` or `value`, or declare a `let` over the changed `x` and read that',
  })),
  trainingNotCompiled: error('PE0507', '`training` is not compiled', () => ({
    message: '`training` is not compiled yet: a kernel does the same in training and outside it',
    hint: 'take one branch, or compile two encodings',
  })),
  lengthInCache: error('PE0508', 'a cached tensor that changes with the length', (name: string) => ({
    message: `\`${name}\` changes with \`length\` and is read at other tokens: what was cached for earlier tokens would be wrong`,
    hint: 'read `length` in `query` or `score`, which nothing caches, or use `context`',
  })),
  embeddingInAttention: error('PE0509', '`embedding` read inside attention', () => ({
    message: '`embedding` is not at hand inside attention: it exists once, before the first layer',
    hint: "read `x[t, m]`, the block's normalised input",
  })),
  sumInInitial: error('PE0510', 'a sum or softmax in an initial value', () => ({
    message: 'an initial value is one expression of its own indices: sums and maps are not compiled there',
    hint: 'write the sum out, or its value',
  })),
  notAScan: note('PE0520', 'a sum over tokens that is not a scan', (op: string, reason: string) => ({
    message: `this ${op} is computed anew at each point, which costs as many steps as there are tokens: ${reason}`,
    label: 'not a scan',
  })),
} as const;
