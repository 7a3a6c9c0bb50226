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

/** A copy as bf16; a model's weights are hundreds of millions, so that all is done on the bits in place. */
export function toBf16(values: ArrayLike<number>): Uint16Array {
  const floats = values instanceof Float32Array ? values : Float32Array.from(values);
  const words = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  const halves = new Uint16Array(floats.length);
  for (let n = 0; n < halves.length; n += 1) {
    const all = words[n]!;
    const isNumber = (all & 0x7fffffff) <= 0x7f800000;
    halves[n] = isNumber ? (all + 0x7fff + ((all >>> 16) & 1)) >>> 16 : (all >>> 16) | 0x40;
  }
  return halves;
}

export function fromBf16(halves: Uint16Array): Float32Array {
  const floats = new Float32Array(halves.length);
  const words = new Uint32Array(floats.buffer);
  for (let n = 0; n < words.length; n += 1) words[n] = halves[n]! << 16;
  return floats;
}
