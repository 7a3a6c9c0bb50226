// What an encoding draws at random, and whether this is a training step: inputs that the trainer fills. Random numbers are
// functions of seed, name, step, sequence and element, the same for all layers. Outside training the step is 0.

import { bytesOfElement } from '../../targets/device.ts';
import type { Buffer, Buffers, Device, DeviceBuffer, Draw, Module, Sizes, StorageType } from '../../targets/device.ts';
import { inputOf } from './call.ts';
import { substream } from './random.ts';
import { wholeBuffer } from './store.ts';

/** Which numbers: `sequence` is that of the first row, of those of this step. */
export interface DrawPlace {
  readonly seed: number;
  readonly step: number; // from 1 in training
  readonly sequence: number;
}

export interface Draws {
  /** By the names of the module's inputs. */
  of(module: Module): Buffers;
  /** The next lists run on these numbers. */
  write(at: DrawPlace): void;
}

type Allocate = (label: string, elements: number, type?: StorageType) => DeviceBuffer;

export function openDraws(
  device: Device,
  modules: Iterable<Module>,
  sizes: Sizes,
  training: boolean,
  allocate: Allocate,
): Draws {
  const byModule = new Map<Module, Record<string, Buffer>>();
  const drawn: { readonly draw: Draw; readonly buffer: Buffer }[] = [];
  for (const module of new Set(modules)) {
    const own: Record<string, Buffer> = {};
    for (const draw of module.draws ?? []) {
      const { type, elements } = inputOf(module, draw.name)!;
      const buffer = wholeBuffer(allocate(draw.name, elements(sizes), type), type);
      own[draw.name] = buffer;
      drawn.push({ draw, buffer });
    }
    if (inputOf(module, 'training') !== null) {
      own['training'] = wholeBuffer(allocate('training', 1, 'i32'), 'i32');
      device.write(own['training'].storage!, 0, Int32Array.of(training ? 1 : 0));
    }
    byModule.set(module, own);
  }
  return {
    of: (module) => byModule.get(module) ?? {},
    write(at) {
      for (const { draw, buffer } of drawn) {
        for (let row = 0; row < sizes.batch; row += 1) {
          const values = drawnValues(draw, sizes, { ...at, sequence: at.sequence + row });
          const data = buffer.type === 'i32' ? Int32Array.from(values) : Float32Array.from(values);
          if (data.length > 0) device.write(buffer.storage!, row * data.length * bytesOfElement[buffer.type], data);
        }
      }
    },
  };
}

/** Of one sequence. */
export function drawnValues(draw: Draw, sizes: Sizes, { seed, step, sequence }: DrawPlace): Float64Array {
  const uniform = substream(seed, `draw.${draw.name}`, step, sequence);
  return draw.values(sizes, uniform);
}
