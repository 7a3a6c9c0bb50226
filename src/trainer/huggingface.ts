// Parameters between our names and Hugging Face's GPT-2: there query, key and value are one matrix, attn.c_attn, with
// their columns side by side ([C, 3C] with equal heads). Everything else has the same name and layout already.

import { TrainerError } from './error.ts';
import type { Layout, Parameter } from './parameters.ts';

export interface Values {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

const ends = ['query', 'key', 'value'] as const;
const ofEnd = /^(.*\.attn\.)(query|key|value)\.(weight|bias)$/;

interface Join {
  readonly name: string; // transformer.h.0.attn.c_attn.weight
  readonly parts: readonly Parameter[]; // query, key, value
  readonly rows: number; // C, or 1 for a bias
}

function joins(layout: Layout): Join[] {
  return [...layout.parameters.values()].flatMap(({ name }) => {
    const [, prefix, end, kind] = ofEnd.exec(name) ?? [];
    if (end !== 'query' || prefix === undefined) return [];
    const parts = ends.map((other) => layout.parameters.get(`${prefix}${other}.${kind}`)!);
    return [{ name: `${prefix}c_attn.${kind}`, parts, rows: kind === 'weight' ? parts[0]!.shape[0]! : 1 }];
  });
}

/** Shapes as Hugging Face has them: heads and features of c_attn are one axis. */
export function toHuggingFace(layout: Layout, values: ReadonlyMap<string, Float32Array>): Map<string, Values> {
  const joined = new Map(joins(layout).map((join) => [join.parts[0]!.name, join]));
  const out = new Map<string, Values>();
  for (const { name, shape } of layout.parameters.values()) {
    const data = values.get(name);
    if (data === undefined) continue; // moments of what is not trained
    const join = joined.get(name);
    if (join !== undefined) out.set(join.name, joinColumns(join, values));
    else if (!ofEnd.test(name)) out.set(name, { shape, data });
  }
  return out;
}

const widthOf = (part: Parameter, rows: number): number => part.elements / rows;

function joinColumns({ parts, rows }: Join, values: ReadonlyMap<string, Float32Array>): Values {
  const width = parts.reduce((sum, part) => sum + widthOf(part, rows), 0);
  const data = new Float32Array(rows * width);
  let column = 0;
  for (const part of parts) {
    const own = widthOf(part, rows);
    const from = values.get(part.name)!;
    for (let row = 0; row < rows; row += 1) data.set(from.subarray(row * own, (row + 1) * own), row * width + column);
    column += own;
  }
  return { shape: rows === 1 ? [width] : [rows, width], data };
}

/** The layout's parameters out of stored ones; `wanted` says which it must have (all, or those with moments). */
export function fromHuggingFace(
  layout: Layout,
  wanted: (parameter: Parameter) => boolean,
  stored: (name: string) => Values | undefined,
): ReadonlyMap<string, Float32Array> {
  const out = new Map<string, Float32Array>();
  const find = (name: string, elements: number): Float32Array => {
    const found = stored(name);
    if (found === undefined) throw new TrainerError('checkpoint', `the checkpoint has no ${name}`);
    if (found.data.length !== elements) {
      const message = `${name} is [${found.shape.join(', ')}] in the checkpoint, and the model needs ${elements} numbers`;
      throw new TrainerError('checkpoint', message);
    }
    return found.data;
  };
  for (const join of joins(layout)) {
    if (!wanted(join.parts[0]!)) continue;
    const whole = find(
      join.name,
      join.parts.reduce((sum, part) => sum + part.elements, 0),
    );
    splitColumns(join, whole, out);
  }
  for (const parameter of layout.parameters.values()) {
    if (!wanted(parameter) || ofEnd.test(parameter.name)) continue;
    out.set(parameter.name, find(parameter.name, parameter.elements));
  }
  return out;
}

function splitColumns({ parts, rows }: Join, whole: Float32Array, out: Map<string, Float32Array>): void {
  const width = whole.length / rows;
  let column = 0;
  for (const part of parts) {
    const own = widthOf(part, rows);
    const data = new Float32Array(part.elements);
    for (let row = 0; row < rows; row += 1) {
      const start = row * width + column;
      data.set(whole.subarray(start, start + own), row * own);
    }
    out.set(part.name, data);
    column += own;
  }
}
