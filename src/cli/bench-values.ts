// Buffers with something in them for a bench: random numbers around 0, positions, initial values of what is learned.

import { toBf16 } from '../../codegen/bf16.ts';
import type { Buffer, Device, Learned, Sizes, StorageType } from '../../targets/device.ts';
import { bytesOfElement } from '../../targets/device.ts';
import { wholeBuffer } from '../trainer/store.ts';

const block = 2 ** 20; // elements written at once

/** Numbers in [0, 1), the same every time. */
export function uniform(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export function numbersOf(type: StorageType, values: ArrayLike<number>): Float32Array | Uint16Array | Int32Array {
  if (type === 'bf16') return toBf16(values);
  return type === 'i32' ? Int32Array.from(values) : Float32Array.from(values);
}

type Wanted = { readonly name: string; readonly type: StorageType; readonly elements: number };

export function emptyBuffer(device: Device, { name, type, elements }: Wanted): Buffer {
  const bytes = Math.max(4, Math.ceil((elements * bytesOfElement[type]) / 4) * 4);
  return { ...wholeBuffer(device.allocate(bytes, name), type), elements };
}

/** A buffer with `values`, or with random numbers; integers are 0. */
export function filledBuffer(device: Device, wanted: Wanted, values: ArrayLike<number> | null = null): Buffer {
  const { type, elements } = wanted;
  const buffer = emptyBuffer(device, wanted);
  const random = uniform();
  const draw = (): number => (type === 'i32' ? 0 : random() - 0.5);
  const data = numbersOf(type, values ?? Float64Array.from({ length: Math.min(block, elements) }, draw));
  for (let at = 0; at < elements; at += data.length) {
    device.write(buffer.storage!, at * bytesOfElement[type], data.subarray(0, Math.min(data.length, elements - at)));
  }
  return buffer;
}

/** Before the first step of a training run. */
export function initialValues(learned: Learned, all: readonly Learned[]): Float64Array {
  const random = uniform();
  return learned.initial(
    () => random(),
    (name) =>
      initialValues(
        all.find((one) => one.name === name)!,
        all,
      ),
  );
}

/** 0, 1, 2, ... in every coordinate. [tokens], or [tokens, coordinates] */
export function positions({ tokens }: Sizes, coordinates: number): Float64Array {
  return Float64Array.from({ length: tokens * coordinates }, (_, n) => Math.floor(n / coordinates));
}
