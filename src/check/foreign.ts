// Words of other languages and libraries, known only to say what to write instead.

export interface Advice {
  readonly message: string;
  readonly hint?: string;
}

const scan = (name: string, reduction: string): Advice => ({
  message: `there is no \`${name}\`: a scan is ${reduction === 'sum' ? 'a sum' : `a \`${reduction}\``} with a condition, \`${reduction}[s: token where s <= t](f[s])\``,
  hint: '`where s < t` leaves the token itself out, `where j < s <= i` sums between two tokens',
});
const called = (theirs: string, ours: string): Advice => ({
  message: `there is no \`${theirs}\` here: it is called \`${ours}\``,
});
const said = (theirs: string, ours: string, hint?: string): Advice => ({
  message: `there is no \`${theirs}\` here: write \`${ours}\``,
  ...(hint === undefined ? {} : { hint }),
});

const synonyms: Readonly<Record<string, readonly string[]>> = {
  position: ['positions', 'pos', 'position_ids', 'pos_ids', 'positional'],
  query: ['q', 'Q', 'queries', 'xq'],
  key: ['k', 'K', 'keys', 'xk'],
  value: ['v', 'V', 'values', 'xv'],
  score: ['scores', 'logits', 'attn_scores', 'sim', 'dots'],
  attention: ['attn', 'weights', 'probs', 'attn_weights', 'attention_weights'],
  output: ['out', 'context_layer'],
  heads: ['n_heads', 'num_heads', 'n_head', 'nheads', 'H'],
  kv_heads: ['n_kv_heads', 'num_kv_heads', 'num_key_value_heads'],
  head_dim: ['d_head', 'dim_head', 'head_size', 'd_k', 'headdim', 'D'],
  model_dim: ['d_model', 'n_embd', 'hidden_size', 'embed_dim', 'hidden_dim'],
  context: ['context_length', 'block_size', 'max_len', 'max_seq_len', 'max_position_embeddings', 'n_ctx', 'max_length'],
  length: ['seq_length', 'sequence_length', 'T', 'seqlen', 'n_tokens'],
  layer: ['layer_idx', 'layer_index', 'depth_index'],
  layers: ['n_layers', 'num_layers', 'n_layer'],
  scale: ['softmax_scale', 'sm_scale', 'attn_scale_factor'],
  infinity: ['inf', 'Infinity', 'INF'],
  x: ['hidden', 'hidden_states', 'input'],
  sigmoid: ['logistic', 'expit'],
  log_sigmoid: ['logsigmoid'],
  silu: ['swish'],
  round: ['rint', 'nint'],
  ceil: ['ceiling'],
  abs: ['fabs'],
  mod: ['remainder', 'fmod', 'modulo'],
  detach: ['stop_gradient', 'no_grad', 'stopgrad'],
  log: ['ln'],
  logsumexp: ['lse', 'log_sum_exp'],
  prod: ['product'],
  mean: ['average', 'avg'],
  expm: ['matrix_exp', 'matexp'],
  inverse: ['inv', 'linalg_inv'],
  embedding: ['embeddings', 'emb', 'wte', 'token_embedding'],
  training: ['train', 'is_training'],
};

const advice: Readonly<Record<string, Advice>> = {
  ...Object.fromEntries(
    Object.entries(synonyms).flatMap(([ours, theirs]) => theirs.map((name) => [name, called(name, ours)])),
  ),
  cumsum: scan('cumsum', 'sum'),
  cumprod: scan('cumprod', 'prod'),
  cummax: scan('cummax', 'max'),
  cummin: scan('cummin', 'min'),
  scan: scan('scan', 'sum'),
  mask: {
    message: 'there is no `mask`: what a query may see is `visible[h, i, j] = condition`',
    hint: 'true is seen; it narrows what the model shows',
  },
  causal_mask: {
    message: "there is no `causal_mask`: the model's own mask always stays",
    hint: 'narrow it further with `visible[h, i, j] = condition`',
  },
  raw_score: {
    message: 'there is no `raw_score`: `score` already has the factor `scale`',
    hint: 'a term inside the scale is `score[h, i, j] += scale * ...`',
  },
  seq_len: { message: 'there is no `seq_len`: the length trained for is `context`, that of this sequence is `length`' },
  zeros: said('zeros', '~ 0', 'an initial value is a formula: `learn b[h: head] ~ 0`'),
  ones: said('ones', '~ 1', 'an initial value is a formula: `learn b[h: head] ~ 1`'),
  constant: said('constant(e)', '~ e', 'an initial value is a formula: `learn b[h: head] ~ 0.5`'),
  full: said('full', '~ e', 'an initial value is a formula: `learn b[h: head] ~ 0.5`'),
  randn: said('randn', 'normal(0, 1)', 'after `~`: `learn W[m: model] ~ normal(0, 0.02)`'),
  rand: said('rand', 'uniform(0, 1)', 'after `~`: `draw u[t: token] ~ uniform(0, 1)`'),
  random: said('random', 'uniform(0, 1)', 'after `~`: `draw u[t: token] ~ uniform(0, 1)`'),
  arange: {
    message: 'there is no `arange`: an index is a number already',
    hint: 'name it on the left, `let n[t: token] = t`',
  },
  range: {
    message: 'there is no `range`: an index is a number already',
    hint: 'name it on the left, `let n[t: token] = t`',
  },
  linspace: {
    message: 'there is no `linspace`: write the formula of the index',
    hint: '`let r[p: pair] = p / (head_dim / 2 - 1)`',
  },
  einsum: { message: 'there is no `einsum`: write the sum, `sum[m: model](x[t, m] * W[m, h])`' },
  matmul: { message: 'there is no `matmul`: write the sum, `sum[m: model](x[t, m] * W[m, h])`' },
  dot: { message: 'there is no `dot`: write the sum, `sum[d: dim](query[i, h, d] * key[j, h, d])`' },
  outer: { message: 'there is no `outer`: indices on the left say it, `let o[t: token, p: pair] = a[t] * b[p]`' },
  norm: { message: 'there is no `norm`: write `sqrt(sum[d: dim](v[d] ^ 2))`' },
  transpose: { message: 'there is no `transpose`: write the indices in the other order' },
  reshape: { message: 'there is no `reshape`: an index may be any whole number, such as `d / 2` after `floor`' },
  concat: { message: 'there is no `concat`: choose by the index, `if d < half then a[d] else b[d - half]`' },
  cat: { message: 'there is no `cat`: choose by the index, `if d < half then a[d] else b[d - half]`' },
  where: said('where(c, a, b)', 'if c then a else b'),
  select: said('select(c, a, b)', 'if c then a else b'),
  pow: said('pow(a, b)', 'a ^ b'),
  power: said('power(a, b)', 'a ^ b'),
  square: said('square(a)', 'a ^ 2'),
  rsqrt: said('rsqrt(a)', '1 / sqrt(a)'),
  reciprocal: said('reciprocal(a)', '1 / a'),
  exp2: said('exp2(a)', '2 ^ a'),
  log10: said('log10(a)', 'log(a) / log(10)'),
  idiv: said('idiv(a, b)', 'floor(a / b)'),
  div: said('div(a, b)', 'floor(a / b)'),
  float: { message: 'there is no `float`: a whole number is taken as a real where one is wanted' },
  int: said('int(a)', 'floor(a)'),
  argsort: { message: 'there is no `argsort`: `rank[j](e)` is the place of each element in ascending order' },
  sort: { message: 'there is no `sort`: `rank[j](e)` is the place of each element in ascending order' },
  topk: { message: 'there is no `topk`: the k smallest are `rank[j](e) < k`' },
  argmax: { message: 'there is no `argmax`: the largest is `max[j: token](e)`, the place of each is `rank[j](e)`' },
  dropout: {
    message:
      'there is no `dropout`: `draw u[t: token] ~ uniform(0, 1)`, then `if training and u[t] < 0.1 then 0 else ...`',
  },
  cosine: called('cosine', 'cos'),
  sine: called('sine', 'sin'),
  freqs: { message: 'nothing here is called `freqs`: declare it, `let theta[p: pair] = base ^ (-2 * p / head_dim)`' },
  inv_freq: {
    message: 'nothing here is called `inv_freq`: declare it, `let theta[p: pair] = base ^ (-2 * p / head_dim)`',
  },
  len: {
    message: 'there is no `len`',
    hint: 'the length of the sequence is `length`; sizes are `heads`, `head_dim`, ...',
  },
  size: { message: 'there is no `size`', hint: 'sizes are `heads`, `head_dim`, `model_dim`, `context`, `length`' },
  shape: { message: 'there is no `shape`', hint: 'sizes are `heads`, `head_dim`, `model_dim`, `context`, `length`' },
  degrees: { message: 'there is no `degrees`', hint: 'every angle is in radians: a full turn is `2 * pi`' },
  radians: { message: 'there is no `radians`', hint: 'every angle is in radians: a full turn is `2 * pi`' },
  deg2rad: { message: 'there is no `deg2rad`', hint: 'every angle is in radians: a full turn is `2 * pi`' },
  π: called('π', 'pi'),
  e: { message: 'nothing here is called `e`: the exponential is `exp(a)`' },
};

export const foreign = (name: string): Advice | null => (Object.hasOwn(advice, name) ? advice[name]! : null);

const axisNames: Readonly<Record<string, string>> = {
  tokens: 'token',
  sequence: 'token',
  seq: 'token',
  time: 'token',
  position: 'token',
  heads: 'head',
  kv_heads: 'kv_head',
  head_dim: 'dim',
  feature: 'dim',
  features: 'dim',
  channel: 'dim',
  pairs: 'pair',
  frequency: 'pair',
  model_dim: 'model',
  d_model: 'model',
  hidden: 'model',
  embedding: 'model',
};

/** The axis that somebody who writes this name means. */
export const foreignAxis = (name: string): string | null => (Object.hasOwn(axisNames, name) ? axisNames[name]! : null);
