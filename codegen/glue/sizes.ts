// Plan sizes -> TypeScript expressions over the names batch, tokens, keys, first, capacity, and which of them they use.

import type { KernelSize } from '../kernel.ts';
import type { Size } from '../plan/plan.ts';

export interface SizeText {
  readonly text: string;
  readonly uses: readonly KernelSize[];
}

const order: readonly KernelSize[] = ['batch', 'tokens', 'keys', 'first', 'capacity'];

/** Numeric factors are multiplied out, so that `[batch, tokens, 4, 16]` is `batch * tokens * 64`. */
export function sizeText(size: Size): SizeText {
  const uses = new Set<KernelSize>();
  const text = print(size, uses);
  return { text, uses: order.filter((name) => uses.has(name)) };
}

/** Elements of a buffer. */
export function elementsText(shape: readonly Size[]): SizeText {
  return sizeText({ kind: 'product', factors: shape });
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
    case 'product': {
      const factors = flatten(size.factors);
      const constant = factors.reduce((product, factor) => product * (factor.kind === 'number' ? factor.value : 1), 1);
      if (constant === 0) return '0';
      const parts = factors.filter((factor) => factor.kind !== 'number').map((factor) => print(factor, uses));
      if (constant !== 1 || parts.length === 0) parts.push(String(constant));
      return parts.join(' * ');
    }
    case 'sum':
      return `(${size.terms.map((term) => print(term, uses)).join(' + ')})`;
    case 'ceil-divide':
      return size.by === 1 ? print(size.value, uses) : `Math.ceil((${print(size.value, uses)}) / ${size.by})`;
    default:
      return size satisfies never;
  }
}

function flatten(factors: readonly Size[]): Size[] {
  return factors.flatMap((factor) => (factor.kind === 'product' ? flatten(factor.factors) : [factor]));
}
