// A library of matrix products, opened by the host to plan slices and by every thread to do them.

import type { MatrixProduct } from '../../../device.ts';
import { openBlas } from './blas.ts';
import { loadForeign } from './foreign.ts';
import { openRuntime, openRuntimeOnThread } from './runtime.ts';
import { slicesOf, worthOn, type Cuts } from './slices.ts';
import type { Copy, FoundLibrary, Multiplier, PlannedWork, ProductLibrary } from './work.ts';

/** Over the memory that the threads share. */
export function openLibrary(found: FoundLibrary, memory: WebAssembly.Memory): ProductLibrary {
  const cores = process.getBuiltinModule('node:os').cpus().length;
  switch (found.kind) {
    case 'openblas':
      return {
        found,
        cores,
        plan: (works) => ({ works, scratch: 0 }),
        free: () => undefined,
        leave: () => undefined,
        close: () => undefined,
      };
    case 'onnxruntime':
      return openRuntime(found, memory, cores);
    default:
      return found satisfies never;
  }
}

/** onnxruntime knows only results without gaps. */
const cutsOf: Readonly<Record<FoundLibrary['kind'], Cuts>> = { openblas: 'both', onnxruntime: 'columns' };

/** null: the kernel does it. `addresses` of its bindings. */
export function planProduct(
  library: ProductLibrary,
  product: MatrixProduct,
  addresses: readonly number[],
): PlannedWork | null {
  const slices = slicesOf(product, addresses, cutsOf[library.found.kind], worthOn(library.cores));
  return slices === null ? null : library.plan(slices);
}

export function openOnThread(found: FoundLibrary, memory: WebAssembly.Memory, copy: Copy): Multiplier {
  const foreign = loadForeign();
  if (foreign === null) throw new Error('the npm package koffi does not load in a thread');
  switch (found.kind) {
    case 'openblas':
      return openBlas(foreign, found, memory) as Multiplier;
    case 'onnxruntime':
      return openRuntimeOnThread(foreign, found, memory, copy) as Multiplier;
    default:
      return found satisfies never;
  }
}
