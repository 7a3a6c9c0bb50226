// Tensors that lie in one buffer: query, key and value of an attention program in `qkv`, their gradients in `d_qkv`, both
// [batch, tokens, heads + 2 kv_heads, head_dim], as one matrix product makes the first and takes the second.

import type { Program, Tensor } from '../../src/ir/ir.ts';
import type { Place } from '../simt/scope.ts';
import type { TypeOf } from './contract.ts';
import type { BufferPlan, PlanOptions } from './plan.ts';
import { extentSize } from './size.ts';

export interface Packed {
  readonly buffer: BufferPlan;
  readonly place: Place;
}

const ends = ['query', 'key', 'value'] as const;

/** Where each tensor lies that shares its buffer; empty without the option, or where a program is no attention. */
export function pack(
  all: Program,
  madeInBackward: (tensor: Tensor) => boolean,
  typeOf: TypeOf,
  options: PlanOptions,
): ReadonlyMap<Tensor, Packed> {
  if (!options.packed) return new Map();
  const given = ends.map((end) => all.inputs.find(({ origin }) => origin.kind === 'given' && origin.given === end));
  const gradients = ends.map((end) => all.results.get(`d_${end}`));
  const isOwn = gradients.every(
    (tensor) => tensor !== undefined && madeInBackward(tensor) && !options.accumulate.includes(tensor.name.slice(2)),
  );
  return new Map([
    ...together('qkv', given, typeOf),
    ...(isOwn && new Set(gradients).size === ends.length ? together('d_qkv', gradients, typeOf) : []),
  ]);
}

/** One buffer for [batch, tokens, rows, features] tensors that differ in rows; bf16 as soon as one of them is. */
function together(
  name: string,
  tensors: readonly (Tensor | undefined)[],
  typeOf: TypeOf,
): readonly (readonly [Tensor, Packed])[] {
  const known = tensors.filter((tensor) => tensor !== undefined);
  if (known.length < tensors.length) return [];
  const counts = known.map(({ axes }) => axes[2]?.extent);
  if (!counts.every((count) => typeof count === 'number')) return [];
  const rows = counts.reduce((all, count) => all + count, 0);
  const [batch, token, , feature] = known[0]!.axes;
  const extents = [batch!.extent, token!.extent, rows, feature!.extent];
  const type = known.some((tensor) => typeOf(tensor) === 'bf16') ? 'bf16' : 'f32';
  const buffer: BufferPlan = {
    name,
    tensor: null,
    shape: extents.map((extent) => extentSize(extent)),
    type,
    rows: 'window',
    comment: `${name} [${extents.join(', ')}]${type === 'bf16' ? ' bf16' : ''}: ${known.map((each) => each.name).join(', ')}`,
  };
  let offset = 0;
  return known.map((tensor, n) => {
    const place: Place = { offset, rows };
    offset += counts[n]!;
    return [tensor, { buffer, place }];
  });
}
