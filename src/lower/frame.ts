// What is in scope while the body of one definition is built: a scalar for each index, and which indices of the
// definition around it (and whether the batch) it turned out to read. Nested sums become definitions of their own
// ("hoisted") over exactly the indices that they read.

import type { Axis, Definition, Scalar, Tensor } from '../ir/ir.ts';
import type { Index } from '../check/checked.ts';
import { at, axis, read } from '../ir/build.ts';
import { axisOf, type Frame, type Hoisted, type Lowering } from './context.ts';

export function openFrame(name: string, outer: Frame | null = null, shown: Frame['shown'] = null): Frame {
  return {
    name,
    outer,
    bound: new Map(),
    captured: new Map(),
    batch: axis('b', 'batch', 'batch'),
    batched: { value: false },
    guards: outer?.guards ?? [],
    shown: shown ?? outer?.shown ?? null,
  };
}

/** Gives an index of this frame an axis of its own. */
export function bind(lowering: Lowering, frame: Frame, index: Index, name = index.name): Axis {
  const fresh = axisOf(lowering, index, name);
  frame.bound.set(index, at(fresh));
  return fresh;
}

/** The scalar of an index: its own, or one captured from the definition around. */
export function lookup(lowering: Lowering, frame: Frame, index: Index): Scalar {
  const own = frame.bound.get(index);
  if (own !== undefined) return own;
  if (frame.outer === null) throw new Error(`index '${index.name}' is not in scope of '${frame.name}'`);
  const fresh = axisOf(lowering, index);
  frame.captured.set(index, fresh);
  frame.bound.set(index, at(fresh));
  return at(fresh);
}

/** The batch index; reading it makes the definition one for each sequence. */
function batchIndex(frame: Frame): Scalar {
  frame.batched.value = true;
  return at(frame.batch);
}

/** Reads a tensor at the given index, one scalar for each axis after the batch. */
export function readBatched(
  tensor: Tensor,
  index: readonly Scalar[],
  frame: Frame,
  outside: number | null = null,
): Scalar {
  const batched = tensor.axes[0]?.role === 'batch';
  return read(tensor, batched ? [batchIndex(frame), ...index] : [...index], outside);
}

/** Captured indices in the order in which the frames around bind them. */
export function capturedIndices(frame: Frame): readonly Index[] {
  const order: Index[] = [];
  for (let f = frame.outer; f !== null; f = f.outer) order.unshift(...f.bound.keys());
  const rank = new Map(order.map((index, k) => [index, k]));
  return [...frame.captured.keys()].sort((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0));
}

/** Axes of the definition of a frame: batch if read, captured indices, then `own`. */
export function frameAxes(frame: Frame, own: readonly Axis[]): readonly Axis[] {
  const captured = capturedIndices(frame).map((index) => frame.captured.get(index)!);
  return [...(frame.batched.value ? [frame.batch] : []), ...captured, ...own];
}

/** Reads a hoisted definition; `own` gives the scalars of indices that are not in scope of the frame. */
export function readHoisted(
  lowering: Lowering,
  hoisted: Hoisted,
  frame: Frame,
  own: ReadonlyMap<Index, Scalar> = new Map(),
): Scalar {
  const index = hoisted.indices.map((i) => own.get(i) ?? lookup(lowering, frame, i));
  return readBatched(hoisted.tensor, index, frame);
}

/** Adds the definition of a frame and remembers that it may be taken back by `collapse`. */
export function hoist(lowering: Lowering, frame: Frame, own: readonly Index[], definition: Definition): Hoisted {
  lowering.definitions.push(definition);
  lowering.hoisted.add(definition.tensor);
  return { tensor: definition.tensor, indices: [...capturedIndices(frame), ...own] };
}

/**
 * If `body` only reads the last definition made, point by point over all of `axes`, that definition itself is what was
 * asked for: it is taken back and returned with its axes in the order of `axes`. So `let phase[...] = sum[...](...)`
 * is one definition.
 */
export function collapse(
  lowering: Lowering,
  body: Scalar,
  axes: readonly Axis[],
  retarget: (axesInOrder: readonly Axis[]) => Tensor,
): Tensor | null {
  const last = lowering.definitions.at(-1);
  if (body.kind !== 'read' || last === undefined || last.tensor !== body.tensor) return null;
  if (!lowering.hoisted.delete(last.tensor)) return null;
  if (last.kind === 'matrix' && body.index.some((s, k) => s.kind !== 'axis' || s.axis !== axes[k])) return null;
  const inOrder: Axis[] = [];
  for (const wanted of axes) {
    const k = body.index.findIndex((s) => s.kind === 'axis' && s.axis === wanted);
    const own = body.tensor.axes[k];
    if (own === undefined || own.extent !== wanted.extent) return null;
    inOrder.push(own);
  }
  if (inOrder.length !== body.tensor.axes.length) return null;
  lowering.definitions.pop();
  const tensor = retarget(inOrder);
  lowering.definitions.push(Object.freeze({ ...last, tensor }) as Definition);
  return tensor;
}
