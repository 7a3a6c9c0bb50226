// What a launch moves, counted in the simulator element by element.

import { bytesOfElement, type KernelSizes } from '../../codegen/kernel.ts';
import type { BufferPlan, LaunchPlan } from '../../codegen/plan/plan.ts';
import { evaluateSize } from '../../codegen/plan/size.ts';
import { simulate } from '../../codegen/simulate.ts';

/** An array that counts the elements read from and written to it. */
function counted(buffer: BufferPlan, count: { elements: number }, sizes: KernelSizes): Float32Array | Int32Array {
  const length = buffer.shape.reduce((all, size) => all * evaluateSize(size, sizes), 1);
  const data = buffer.type === 'i32' ? new Int32Array(length) : new Float32Array(length).fill(0.5);
  return new Proxy(data, {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) count.elements += 1;
      return Reflect.get(target, key, target) as unknown;
    },
    set(target, key, value: number) {
      count.elements += 1;
      return Reflect.set(target, key, value, target);
    },
  });
}

/** Bytes moved by a launch, by buffer. */
export function moved({ kernel, buffers }: LaunchPlan, sizes: KernelSizes): Map<string, number> {
  const counts = buffers.map(() => ({ elements: 0 }));
  const data = Object.fromEntries(
    kernel.bindings.map(({ name }, n) => [name, counted(buffers[n]!, counts[n]!, sizes)]),
  );
  const [variant] = kernel.variants;
  simulate(variant!.body, evaluateSize(variant!.groups, sizes), data, sizes);
  return new Map(buffers.map((buffer, n) => [buffer.name, counts[n]!.elements * bytesOfElement[buffer.type]]));
}
