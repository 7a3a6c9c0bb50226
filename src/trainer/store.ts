// What stays on the device from step to step: pools of weights, gradients and moments, all float32, and views into them by
// name; where activations are bf16 also the matrices as bf16, which products read.

import { bytesOfElement, wholeSequence } from '../../targets/device.ts';
import type { Buffer, Buffers, Device, DeviceBuffer, StorageType } from '../../targets/device.ts';
import { toBf16 } from '../../codegen/bf16.ts';
import type { Configuration } from './configuration.ts';
import { parameter, pools } from './parameters.ts';
import type { Layout, Parameter, Pool } from './parameters.ts';

export type Kept = 'weight' | 'gradient' | 'first' | 'second';
const kinds: readonly Kept[] = ['weight', 'gradient', 'first', 'second'];

export interface Store {
  readonly layout: Layout;
  /** A whole pool. The fixed pool has weights only. */
  pool(kind: Kept, pool: Pool): Buffer;
  view(kind: Kept, name: string): Buffer;
  /** The decayed pool's weights as bf16; null where activations are f32. */
  readonly narrow: Buffer | null;
  read(kind: Kept): Promise<ReadonlyMap<string, Float32Array>>;
  /** Trained parameters, or all for weights; each must have its number of elements. */
  write(kind: Kept, values: ReadonlyMap<string, Float32Array>): void;
  free(): void;
}

export const wholeBuffer = (storage: DeviceBuffer, type: StorageType = 'f32'): Buffer => ({
  name: storage.label,
  elements: storage.bytes / bytesOfElement[type],
  type,
  storage,
  offset: 0,
});

/** All zeros, which the device writes by itself. */
export async function openStore(
  device: Device,
  layout: Layout,
  precision: Configuration['precision'] = 'f32',
): Promise<Store> {
  const buffers = new Map<string, DeviceBuffer>();
  const allocate = (label: string, elements: number, type: StorageType): DeviceBuffer => {
    const buffer = device.allocate(elements * bytesOfElement[type], label);
    buffers.set(label, buffer);
    return buffer;
  };
  for (const kind of kinds) {
    for (const pool of pools) {
      if (pool === 'fixed' && kind !== 'weight') continue;
      allocate(`${kind}_${pool}`, layout.size[pool], 'f32');
    }
  }
  const narrow = precision === 'f32' ? null : allocate('narrow_decayed', layout.size.decayed, 'bf16');
  const zeros = await device.record(
    (tape) => {
      for (const buffer of buffers.values()) tape.clear(wholeBuffer(buffer, buffer === narrow ? 'bf16' : 'f32'));
    },
    wholeSequence(1, 1),
  );
  device.run(zeros);
  device.release(zeros);
  const storage = (kind: Kept, pool: Pool): DeviceBuffer => {
    const found = buffers.get(`${kind}_${pool}`);
    if (found === undefined) throw new Error(`${pool} parameters have no ${kind}`);
    return found;
  };
  const kept = (kind: Kept): Parameter[] =>
    [...layout.parameters.values()].filter(({ pool }) => kind === 'weight' || pool !== 'fixed');
  return {
    layout,
    narrow: narrow === null ? null : wholeBuffer(narrow, 'bf16'),
    pool: (kind, pool) => wholeBuffer(storage(kind, pool)),
    view(kind, name) {
      const { pool, elements, offset } = parameter(layout, name);
      return { name: `${kind} of ${name}`, elements, type: 'f32', offset, storage: storage(kind, pool) };
    },
    async read(kind) {
      const values = new Map<string, Float32Array>();
      const data = new Map<Pool, Float32Array>();
      for (const { name, pool, offset, elements } of kept(kind)) {
        const whole =
          data.get(pool) ?? new Float32Array(await device.read(storage(kind, pool), 0, layout.size[pool] * 4));
        data.set(pool, whole);
        values.set(name, whole.slice(offset, offset + elements));
      }
      return values;
    },
    write(kind, values) {
      for (const { name, pool, offset, elements } of kept(kind)) {
        const data = values.get(name);
        if (data?.length !== elements) throw new Error(`${name} has ${data?.length ?? 'no'} values, not ${elements}`);
        device.write(storage(kind, pool), offset * 4, data);
        if (kind === 'weight' && pool === 'decayed' && narrow !== null) {
          device.write(narrow, offset * bytesOfElement.bf16, toBf16(data));
        }
      }
    },
    free: () => buffers.forEach((buffer) => device.free(buffer)),
  };
}

/** Weights under the names of a program, and their gradients as d_NAME; `matrices`: as bf16, where the store has that. */
export function weightsAs(
  store: Store,
  names: Readonly<Record<string, string>>,
  matrices: readonly string[] = [],
): Buffers {
  const views: Record<string, Buffer> = {};
  for (const [local, name] of Object.entries(names)) {
    const weight = store.view('weight', name);
    const { offset, elements } = weight;
    const narrow = matrices.includes(local) ? store.narrow : null;
    views[local] = narrow === null ? weight : { ...narrow, name: `bf16 of ${name}`, offset, elements };
    if (parameter(store.layout, name).pool !== 'fixed') views[`d_${local}`] = store.view('gradient', name);
  }
  return views;
}

export const initialWeights = (layout: Layout): ReadonlyMap<string, Float32Array> =>
  new Map([...layout.parameters.values()].map((one) => [one.name, one.initial()]));
