// The file format of a case: inputs of attention with an encoding, its outputs, a cotangent for `output` and
// the gradients of sum(output * cotangent), and of the mean of `loss`, where the encoding adds to it. README.md describes it for people. Reading says everything that is wrong.

export interface Values {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>; // row-major
}

export interface CaseSizes {
  readonly B: number;
  readonly T: number;
  readonly heads: number;
  readonly kv_heads: number; // heads, where the file does not say
  readonly head_dim: number;
  readonly model_dim: number;
  readonly context: number; // T, where the file does not say
  readonly layers: number; // 1, where the file does not say
}

export type Tensors = Readonly<Record<string, Values>>;

/** The same of what an encoding does to the embedding [B, T, model_dim]. */
export interface EmbeddingValues {
  readonly inputs: Tensors; // embedding, and what else is not among the case's inputs
  readonly outputs: Tensors; // embedding_encoded, `let`s by name
  readonly cotangent: Values; // of embedding_encoded
  readonly gradients: Tensors;
}

export interface Case {
  readonly name: string;
  readonly source: string;
  readonly sizes: CaseSizes;
  readonly training: boolean; // whether the encoding does what it does in a training step
  readonly bidirectional: boolean; // whether every token sees every token
  readonly inputs: Tensors; // x, query, key, value, and what else the encoding is given or draws; coordinates [T, axes]
  readonly learned: Tensors;
  readonly outputs: Tensors; // output, score, query_encoded, key_encoded, `let`s by name
  readonly cotangent: Values; // of output
  readonly gradients: Tensors;
  readonly embedding: EmbeddingValues | null;
}

export type ReadCase =
  { readonly ok: true; readonly case: Case } | { readonly ok: false; readonly problems: readonly string[] };

export function readCase(text: string): ReadCase {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { ok: false, problems: [`not JSON: ${error instanceof Error ? error.message : String(error)}`] };
  }
  const problems: string[] = [];
  const file = record(json, 'the file', problems);
  const sizes = readSizes(file['sizes'], problems);
  const read: Case = {
    name: typeof file['name'] === 'string' ? file['name'] : '',
    source: typeof file['source'] === 'string' ? file['source'] : '',
    sizes,
    training: readFlag(file['training'], 'training', problems),
    bidirectional: readFlag(file['bidirectional'], 'bidirectional', problems),
    inputs: readTensors(file['inputs'], 'inputs', problems),
    learned: readTensors(file['learned'] ?? {}, 'learned', problems),
    outputs: readTensors(file['outputs'], 'outputs', problems),
    cotangent: readValues(file['cotangent'], 'cotangent', problems),
    gradients: readTensors(file['gradients'] ?? {}, 'gradients', problems),
    embedding: file['embedding'] === undefined ? null : readEmbedding(file['embedding'], problems),
  };
  if (problems.length === 0) problems.push(...checkShapes(read));
  return problems.length === 0 ? { ok: true, case: read } : { ok: false, problems };
}

/** As a file: the numbers round-trip exactly. */
export function writeCase(made: Case): string {
  const plain = (values: Values): unknown => ({ shape: values.shape, data: Array.from(values.data) });
  const group = (tensors: Tensors): unknown =>
    Object.fromEntries(Object.entries(tensors).map(([name, values]) => [name, plain(values)]));
  const embedding = ({ inputs, outputs, cotangent, gradients }: EmbeddingValues): unknown => ({
    inputs: group(inputs),
    outputs: group(outputs),
    cotangent: plain(cotangent),
    gradients: group(gradients),
  });
  const { name, source, sizes, training, bidirectional } = made;
  const flags = { ...(training ? { training } : {}), ...(bidirectional ? { bidirectional } : {}) };
  const groups = {
    inputs: group(made.inputs),
    learned: group(made.learned),
    outputs: group(made.outputs),
    cotangent: plain(made.cotangent),
    gradients: group(made.gradients),
    ...(made.embedding === null ? {} : { embedding: embedding(made.embedding) }),
  };
  return `${JSON.stringify({ name, source, sizes, ...flags, ...groups })}\n`;
}

function record(json: unknown, what: string, problems: string[]): Record<string, unknown> {
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  problems.push(json === undefined ? `${what} is missing` : `${what} is not an object`);
  return {};
}

function readFlag(json: unknown, what: string, problems: string[]): boolean {
  if (json !== undefined && typeof json !== 'boolean') problems.push(`${what} is neither true nor false`);
  return json === true;
}

function readSizes(json: unknown, problems: string[]): CaseSizes {
  const sizes = record(json, 'sizes', problems);
  const size = (name: string, otherwise?: number): number => {
    const value = sizes[name] ?? otherwise;
    if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value;
    if (problems.length === 0 || json !== undefined) problems.push(`sizes.${name} is not a whole number above 0`);
    return 1;
  };
  const [B, T, heads] = [size('B'), size('T'), size('heads')];
  const [head_dim, model_dim] = [size('head_dim'), size('model_dim')];
  const kv_heads = size('kv_heads', heads);
  if (heads % kv_heads !== 0) problems.push(`sizes.heads ${heads} is no multiple of sizes.kv_heads ${kv_heads}`);
  return { B, T, heads, kv_heads, head_dim, model_dim, context: size('context', T), layers: size('layers', 1) };
}

function readTensors(json: unknown, what: string, problems: string[]): Tensors {
  const tensors = Object.entries(record(json, what, problems));
  return Object.fromEntries(tensors.map(([name, values]) => [name, readValues(values, `${what}.${name}`, problems)]));
}

function readEmbedding(json: unknown, problems: string[]): EmbeddingValues {
  const part = record(json, 'embedding', problems);
  return {
    inputs: readTensors(part['inputs'], 'embedding.inputs', problems),
    outputs: readTensors(part['outputs'], 'embedding.outputs', problems),
    cotangent: readValues(part['cotangent'], 'embedding.cotangent', problems),
    gradients: readTensors(part['gradients'] ?? {}, 'embedding.gradients', problems),
  };
}

function readValues(json: unknown, what: string, problems: string[]): Values {
  const nothing: Values = { shape: [0], data: [] };
  const before = problems.length;
  const values = record(json, what, problems);
  if (problems.length > before) return nothing;
  const { shape, data } = values;
  const isShape = (value: unknown): value is number[] =>
    Array.isArray(value) && value.every((n) => Number.isInteger(n) && n > 0);
  if (!isShape(shape)) {
    problems.push(`${what}.shape is not a list of whole numbers above 0`);
    return nothing;
  }
  if (!Array.isArray(data) || !data.every((n) => typeof n === 'number')) {
    problems.push(`${what}.data is not a flat list of numbers`);
    return nothing;
  }
  const count = shape.reduce((a, b) => a * b, 1);
  if (data.length !== count)
    problems.push(`${what}.data has ${data.length} numbers, its shape ${print(shape)} ${count}`);
  return { shape, data: Float64Array.from(data) };
}

const print = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

/** The shapes that do not depend on the encoding. */
function checkShapes({ sizes, inputs, outputs, cotangent, embedding }: Case): string[] {
  const { B, T, heads, kv_heads, head_dim, model_dim } = sizes;
  const perHead = [B, T, heads, head_dim];
  const perKey = [B, T, kv_heads, head_dim];
  const perModel = [B, T, model_dim];
  const isChanged = embedding !== null;
  const wanted: readonly (readonly [string, Values | undefined, readonly number[], boolean])[] = [
    ['inputs.query', inputs['query'], perHead, true],
    ['inputs.key', inputs['key'], perKey, true],
    ['inputs.value', inputs['value'], perKey, true],
    ['inputs.x', inputs['x'], perModel, false],
    ['inputs.embedding', inputs['embedding'], perModel, false],
    ['outputs.output', outputs['output'], perHead, true],
    ['outputs.score', outputs['score'], [B, heads, T, T], false],
    ['outputs.query_encoded', outputs['query_encoded'], perHead, false],
    ['outputs.key_encoded', outputs['key_encoded'], perKey, false],
    ['outputs.loss', outputs['loss'], [B], false],
    ['cotangent', cotangent, perHead, true],
    ['embedding.inputs.embedding', embedding?.inputs['embedding'], perModel, isChanged],
    ['embedding.outputs.embedding_encoded', embedding?.outputs['embedding_encoded'], perModel, isChanged],
    ['embedding.cotangent', embedding?.cotangent, perModel, isChanged],
  ];
  return wanted.flatMap(([what, values, shape, needed]) => {
    if (values === undefined) return needed ? [`${what} is missing`] : [];
    return print(values.shape) === print(shape) ? [] : [`${what} is ${print(values.shape)}, not ${print(shape)}`];
  });
}
