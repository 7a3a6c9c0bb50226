// Encodings that generated ones were made small to: each of them once was wrong or was refused.

const body = (...lines: readonly string[]): string => `encoding made {\n${lines.join('\n')}\n}\n`;

export const found: Readonly<Record<string, string>> = {
  'a product for backward alone, which makes it again': body(
    'embedding[t, m] = prod[t2: token where t2 <= t](1 + embedding[t, m] / 2)',
  ),
  'a token compared with itself': body('score[h, i, j] += sum[t: token where t <= t](sin(x[t, 0]))'),
  'the largest of what does not change': body('output[i, h, d] *= logsumexp[h2: head](output[i, h, d])'),
  'an input whose gradient is that of a definition': body(
    'key[t, h, d] += sum[t2: token where t2 <= t](sin(value[t, h, d]))',
  ),
  'two inputs with one gradient': body(
    'learn w_1[h: head] ~ normal(0, 1)',
    'learn w_2[h: head] ~ normal(0, 1)',
    'score[h, i, j] += sin(w_1[h] + w_2[h] + i - j)',
  ),
  'an output that reads scores': body('output[i, h, d] += sin(tanh(score[h, i, i]))'),
  'a sum over queries without sequences': body(
    'fixed w_0[p: pair] ~ uniform(-1, 1)',
    'attention[h, i, j] += prod[t: token where t <= j]((1 + sin(abs(w_0[clamp((if mod(i, 1) <= h then h else h), 0, 1)])) / 2))',
  ),
  'a logsumexp of whole numbers, of which some are hidden': body(
    'value[t, h, d] += 1 / (1 + logsumexp[t2: token where t2 <= t](position[t]) ^ 2)',
  ),
  'a scan that reads as much as may be bound': body(
    'score[h, i, j] = (logsumexp[p: pair](softmax[h](position[i])) * sum[t: token where t <= j](sin(tanh(score[h, i, i]))))',
  ),
  'a scatter to the diagonal': body('score[h, i, j] += tanh(score[mod(abs(h), 2), i, i])'),
  'a scatter whose queries stand behind other tokens': body(
    'let v_1[t: token, t2: token, h: head, m: model] = sin(x[t, m] * x[t2, m])',
    'score[h, i, j] += (prod[t: token where t <= j]((1 + sin(v_1[min(t, 1), i, h, 0]) / 2)) - tanh(score[h, i, i]))',
  ),
  'a sum of a sum over the same tokens': body('score[h, i, j] = softmax[i](softmax[i](query[j, h, min(i, 3)]))'),
};
