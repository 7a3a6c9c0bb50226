// Axes and small definitions that GPT-2's operations share. Shapes are written [B, T, C]: batch, tokens, width.
// Every operation is a list of definitions in the tensor IR; derivatives come from reverse mode, kernels from the plan.

import { axis, defined, given, map, readAt, reduce } from '../../ir/build.ts';
import type { Axis, Definition, Scalar, Tensor } from '../../ir/ir.ts';

/** Definitions that end in one tensor. */
export interface Part {
  readonly out: Tensor;
  readonly definitions: readonly Definition[];
}

export const batchAxis = (): Axis => axis('batch', 'batch', 'batch');
export const tokenAxis = (): Axis => axis('token', 'tokens', 'token');

/** A residual stream, or anything else with one vector a token: [B, T, width]. */
export function stream(name: string, width: number, feature = 'model'): Tensor {
  return given(name, [batchAxis(), tokenAxis(), axis(feature, width, 'model')], 'operand');
}

/** Weights and other tensors of fixed shape. */
export function weight(name: string, axes: readonly (readonly [string, number])[]): Tensor {
  return given(
    name,
    axes.map(([axisName, extent]) => axis(axisName, extent)),
    'operand',
  );
}

/** The tensor at these indices; one for each of its axes. */
export const point = (tensor: Tensor, ...axes: readonly Axis[]): Scalar => readAt(tensor, axes);

/** A map over the axes. */
export function mapped(name: string, axes: readonly Axis[], body: Scalar): Part {
  const out = defined(name, axes);
  return { out, definitions: [map(out, body)] };
}

/** A sum over `over`, left over `axes`. */
export function summed(name: string, axes: readonly Axis[], over: readonly Axis[], body: Scalar): Part {
  const out = defined(name, axes);
  return { out, definitions: [reduce('sum', out, over, body)] };
}
