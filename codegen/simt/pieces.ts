// What both ways of lowering sums by id begin with: the partial sums of pieces of `order`, and what the kernel that makes them
// and the kernel that adds them up bind.

import type { Definition, Tensor } from '../../src/ir/ir.ts';
import { readsOf } from '../../src/ir/visit.ts';
import type { SegmentsNest } from '../plan/nest.ts';
import type { BufferPlan, Size } from '../plan/plan.ts';
import { ceilDivide, extentSize } from '../plan/size.ts';
import type { Setting, Wanted } from './draft.ts';
import { pointsOf } from './grid.ts';

export type Scatter = Extract<Definition, { kind: 'scatter' }>;

/** Places of a piece. */
export const piece = 64;

export const pieceCount = ({ places }: SegmentsNest): Size => ceilDivide(pointsOf(places), piece);

export interface Lowering {
  readonly nest: SegmentsNest;
  readonly setting: Setting;
  readonly definition: Scatter;
  readonly partial: BufferPlan;
  readonly buffer: (tensor: Tensor) => BufferPlan;
}

export function openLowering(nest: SegmentsNest, setting: Setting): Lowering {
  const definition = nest.root.definition as Scatter;
  const { name } = definition.tensor;
  const buffer = (tensor: Tensor): BufferPlan => {
    const found = setting.storage.get(tensor);
    if (found === undefined) throw new Error(`'${tensor.name}' has no buffer`);
    return found;
  };
  const shape = [pieceCount(nest), ...nest.inner.map((axis) => extentSize(axis.extent))];
  const partial = setting.temporary(`${name}_partial`, shape, `sums of ${name} over ${piece} places`);
  return { nest, setting, definition, partial, buffer };
}

const given = ({ definition, buffer }: Lowering, tensors: readonly Tensor[]): readonly Wanted[] =>
  [...tensors, ...readsOf(definition.body).map((each) => each.tensor)].map((tensor) => ({
    buffer: buffer(tensor),
    write: false,
  }));

export const boundByPieces = (lowering: Lowering): readonly Wanted[] => [
  ...given(lowering, [lowering.nest.order, lowering.nest.ids]),
  { buffer: lowering.partial, write: true },
];

export const boundByRows = (lowering: Lowering): readonly Wanted[] => [
  ...given(lowering, [lowering.nest.start, lowering.nest.order]),
  { buffer: lowering.partial, write: false },
  { buffer: lowering.buffer(lowering.definition.tensor), write: true },
];
