// Random numbers for tests of laws and for cases: the same seed gives the same numbers on every machine.

import type { Random } from '../interpret/interpret.ts';

/** Uniform in [0, 1): a 32-bit counter through a mixing function (splitmix32). */
export function uniformFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** Normal numbers with mean 0 and the given deviation (Box and Muller). */
export function normals(random: Random, count: number, deviation = 1): Float64Array {
  return Float64Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    return deviation * radius * Math.cos(2 * Math.PI * random());
  });
}
