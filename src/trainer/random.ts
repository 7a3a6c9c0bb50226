// Random numbers as pure functions of what they are for: no state, so data order and initial values need no saving.
// Philox 4x32 with ten rounds (Salmon et al. 2011): a counter of 128 bits and a key of 64 give 128 random bits.

type Words = readonly [number, number, number, number];

/** High and low 32 bits of a product of two unsigned 32-bit numbers. */
function product(a: number, b: number): readonly [high: number, low: number] {
  const [ah, al, bh, bl] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = ah * bl + ((al * bl) >>> 16); // below 2^32
  const carry = al * bh + (middle & 0xffff);
  return [(ah * bh + (middle >>> 16) + (carry >>> 16)) >>> 0, Math.imul(a, b) >>> 0];
}

export function philox(counter: Words, key: readonly [number, number]): Words {
  let [a, b, c, d] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round += 1) {
    const [h0, l0] = product(0xd2511f53, a);
    const [h1, l1] = product(0xcd9e8d57, c);
    [a, b, c, d] = [(h1 ^ b ^ k0) >>> 0, l1, (h0 ^ d ^ k1) >>> 0, l0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [a, b, c, d];
}

/** FNV-1a over UTF-16 units: gives each name its own stream. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let n = 0; n < name.length; n += 1) hash = Math.imul(hash ^ name.charCodeAt(n), 0x01000193) >>> 0;
  return hash;
}

/** 53 bits as a number in [0, 1). */
const unit = (high: number, low: number): number => ((high >>> 5) * 67108864 + (low >>> 6)) / 9007199254740992;

/** A stream of numbers that belongs to a seed and a name. */
export interface Stream {
  /** In [0, 1). The place is up to three whole numbers, such as layer, element, site. */
  uniform(a: number, b?: number, c?: number): number;
  /** Mean 0, deviation 1 (Box and Muller). */
  normal(a: number, b?: number, c?: number): number;
  /** A whole number in [0, bound). */
  below(bound: number, a: number, b?: number, c?: number): number;
}

export function stream(seed: number, name: string): Stream {
  const key = [seed >>> 0, hashName(name)] as const;
  const extra = Math.floor(seed / 4294967296) >>> 0; // seeds above 32 bits stay distinct
  const words = (a: number, b = 0, c = 0): Words => philox([a >>> 0, b >>> 0, c >>> 0, extra], key);
  const uniform = (a: number, b = 0, c = 0): number => {
    const [high, low] = words(a, b, c);
    return unit(high, low);
  };
  return {
    uniform,
    normal(a, b = 0, c = 0) {
      const [w0, w1, w2, w3] = words(a, b, c);
      return Math.sqrt(-2 * Math.log(1 - unit(w0, w1))) * Math.cos(2 * Math.PI * unit(w2, w3));
    },
    below: (bound, a, b = 0, c = 0) => Math.floor(uniform(a, b, c) * bound),
  };
}

/** Uniform numbers in [0, 1) that belong to two whole numbers besides, each by an element and a site. */
export function substream(seed: number, name: string, a: number, b: number): (element: number, site: number) => number {
  const high = (n: number): number => Math.floor(n / 4294967296) >>> 0;
  const [k0, k1, c0, c1] = philox([a >>> 0, b >>> 0, high(a), high(seed)], [seed >>> 0, hashName(name)]);
  return (element, site) => {
    const [first, second] = philox([element >>> 0, (high(element) ^ c0) >>> 0, site >>> 0, c1], [k0, k1]);
    return unit(first, second);
  };
}
