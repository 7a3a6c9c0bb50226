// bfloat16: the upper half of a float32. Rounding to the nearest, ties to even, as every target stores it.

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The 16 bits of the nearest bf16. NaN stays NaN. */
export function bf16Bits(value: number): number {
  float[0] = value;
  const all = bits[0]!;
  if ((all & 0x7fffffff) > 0x7f800000) return (all >>> 16) | 0x40;
  return ((all + 0x7fff + ((all >>> 16) & 1)) >>> 16) & 0xffff;
}

export function fromBf16Bits(half: number): number {
  bits[0] = half << 16;
  return float[0]!;
}

export const roundToBf16 = (value: number): number => fromBf16Bits(bf16Bits(value));

export const toBf16 = (values: ArrayLike<number>): Uint16Array => Uint16Array.from(values, bf16Bits);

export const fromBf16 = (halves: Uint16Array): Float32Array => Float32Array.from(halves, fromBf16Bits);
