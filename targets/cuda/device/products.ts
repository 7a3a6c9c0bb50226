// Matrix products that a library does in a kernel's place: what a record keeps of one, and what does it.

import type { Kernel, Sizes } from '../../device.ts';

/** Opaque to records; made once a shape. */
export interface PlannedProduct {
  readonly kind: 'planned';
}

export interface Products {
  readonly description: string; // 'cuBLASLt 13.1'
  /** null: the kernel does it itself. `addresses` of the kernel's bindings. */
  plan(kernel: Kernel, sizes: Sizes, addresses: readonly bigint[]): PlannedProduct | null;
  enqueue(planned: PlannedProduct, kernel: Kernel): void;
  release(planned: PlannedProduct): void;
  close(): void;
}
