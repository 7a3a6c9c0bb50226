// How fast one thread multiplies: through a library, or by our own kernel, in a small memory of its own on the host. A library
// that gives wrong sums is not timed.

import type { Kernel, KernelVariant, MatrixProduct, Sizes } from '../../../device.ts';
import { fused, hasFused } from '../fused.ts';
import { openLibrary, openOnThread, planProduct } from './library.ts';
import type { FoundLibrary } from './work.ts';

/** A kernel and sizes for which it is a product. */
export interface OwnKernel {
  readonly kernel: Kernel;
  readonly sizes: Sizes;
}

/** Our own kernel is compiled again, for speed, while it runs. */
const milliseconds = { library: 40, own: 100 };
const pageBytes = 65536;
const begin = 1024;

/** As a layer of a small model has it: [192, 384] x [384, 384]. */
const usual: MatrixProduct = {
  scale: 1,
  accumulate: false,
  m: 192,
  n: 384,
  k: 384,
  batches: [],
  left: { binding: 0, offset: 0, rows: 384, columns: 1, batches: [] },
  right: { binding: 1, offset: 0, rows: 1, columns: 384, batches: [] },
  out: { binding: 2, offset: 0, rows: 384, columns: 1, batches: [] },
};

/** Operations a second, or what is wrong. */
export function timeLibrary(found: FoundLibrary, own: OwnKernel | null): number | string {
  const product = own?.kernel.product?.(own.sizes) ?? usual;
  try {
    const { memory, addresses, end } = placed(product, 0);
    const library = openLibrary(found, memory);
    try {
      const planned = planProduct(library, product, addresses);
      if (planned === null) return `${found.description} has no words for a plain product`;
      memory.grow(Math.ceil(planned.scratch / pageBytes));
      const threads = openOnThread(found, memory, (to, from, bytes) =>
        new Uint8Array(memory.buffer).copyWithin(to, from, from + bytes),
      );
      const run = (): void => planned.works.forEach((work) => threads.multiply(work, end));
      run();
      const rate = isRight(product, memory, addresses)
        ? rateOf(product, milliseconds.library, run)
        : `${found.description} gives wrong products here`;
      library.free(planned);
      return rate;
    } finally {
      library.close();
    }
  } catch (error) {
    return `${found.description} fails: ${error instanceof Error ? error.message : String(error)}`;
  }
}

export function timeOwn({ kernel, sizes }: OwnKernel): number {
  const product = kernel.product!(sizes);
  const variant: KernelVariant = kernel.variants[0]!;
  const { memory, addresses, end } = placed(product, variant.scratch?.(sizes) ?? 0);
  const code = new Uint8Array(Buffer.from(variant.code, 'base64'));
  const module = new WebAssembly.Module(hasFused() ? fused(code) : code);
  const { run } = new WebAssembly.Instance(module, { env: { memory } }).exports as {
    run(begin: number, end: number, call: number, scratch: number): void;
  };
  const call = [sizes.batch, sizes.tokens, sizes.keys, sizes.first, sizes.capacity, ...addresses];
  new Int32Array(memory.buffer, 0, call.length).set(call);
  return rateOf(product, milliseconds.own, () => run(0, variant.groups(sizes), 0, end));
}

/** The operands one after the other in a new memory, with small whole numbers in the factors. */
function placed(product: MatrixProduct, scratch: number) {
  const { m, n, k } = product;
  const sizes: readonly (readonly [binding: number, elements: number])[] = [
    [product.left.binding, m * k],
    [product.right.binding, n * k],
    [product.out.binding, m * n],
  ];
  const addresses: number[] = [];
  let end = begin;
  for (const [binding, elements] of sizes) {
    addresses[binding] = end;
    end += 4 * elements + begin;
  }
  const pages = Math.ceil((end + scratch) / pageBytes) + 1;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: 2 * pages + 512, shared: true });
  for (const [binding, elements] of sizes.slice(0, 2)) {
    new Float32Array(memory.buffer, addresses[binding], elements).forEach((_, index, view) => {
      view[index] = ((index * 7919) % 7) - 3;
    });
  }
  return { memory, addresses, end };
}

/** Some sums, which float32 has exactly. */
function isRight(
  { m, n, k, left, right, out, scale }: MatrixProduct,
  memory: WebAssembly.Memory,
  at: readonly number[],
) {
  const all = new Float32Array(memory.buffer);
  const value = (binding: number, offset: number): number => all[at[binding]! / 4 + offset]!;
  for (let point = 0; point < 64; point += 1) {
    const [row, column] = [(point * 37) % m, (point * 101) % n];
    let sum = 0;
    for (let step = 0; step < k; step += 1) {
      sum +=
        value(left.binding, row * left.rows + step * left.columns) *
        value(right.binding, column * right.rows + step * right.columns);
    }
    if (value(out.binding, row * out.rows + column * out.columns) !== scale * sum) return false;
  }
  return true;
}

/** Of the fastest of several runs. */
function rateOf({ m, n, k }: MatrixProduct, atLeast: number, run: () => void): number {
  const start = performance.now();
  let [best, now] = [Infinity, start];
  while (now - start < atLeast) {
    const before = now;
    run();
    now = performance.now();
    best = Math.min(best, now - before);
  }
  return (2 * m * n * k) / (best / 1000);
}
