// Plan sizes -> TypeScript expressions over the names batch, tokens, keys, first, capacity, and which of them they use.

import type { KernelSize } from '../kernel.ts';
import type { Size } from '../plan/plan.ts';
import { product } from '../plan/size.ts';

export interface SizeText {
  readonly text: string;
  readonly uses: readonly KernelSize[];
}

const order: readonly KernelSize[] = ['batch', 'tokens', 'keys', 'first', 'capacity'];

export function sizeText(size: Size): SizeText {
  const uses = new Set<KernelSize>();
  const text = print(size, uses);
  return { text, uses: order.filter((name) => uses.has(name)) };
}

/** Elements of a buffer: `[batch, tokens, 4, 16]` is `batch * tokens * 64`. */
export function elements(shape: readonly Size[]): Size {
  return product(shape);
}

/** `({ batch, tokens }) => batch * tokens * 64` */
export function sizeFunction(size: Size): string {
  const { text, uses } = sizeText(size);
  return uses.length === 0 ? `() => ${text}` : `({ ${uses.join(', ')} }) => ${text}`;
}

function print(size: Size, uses: Set<KernelSize>): string {
  switch (size.kind) {
    case 'number':
      return String(size.value);
    case 'size':
      uses.add(size.size);
      return size.size;
    case 'product':
      return size.factors
        .map((factor) => (factor.kind === 'sum' ? `(${print(factor, uses)})` : print(factor, uses)))
        .join(' * ');
    case 'sum':
      return size.terms.map((term) => print(term, uses)).join(' + ');
    case 'ceil-divide':
      return `Math.ceil((${print(size.value, uses)}) / ${size.by})`;
    default:
      return size satisfies never;
  }
}
