// Tables that no layer changes are kept once for all layers: where a text says `layer`, each layer has a module and tables
// of its own, most of which hold the same numbers.

import type { Buffer } from '../../targets/device.ts';

type Numbers = Float32Array | Int32Array;

/** Gives the buffer of an equal table of the same name where there is one, else what `make` makes of it. */
export function sharedTables(make: (name: string, data: Numbers) => Buffer): (name: string, data: Numbers) => Buffer {
  const known = new Map<string, { readonly data: Numbers; readonly buffer: Buffer }[]>();
  return (name, data) => {
    const same = known.get(name) ?? [];
    const found = same.find((one) => isEqual(one.data, data));
    if (found !== undefined) return found.buffer;
    const buffer = make(name, data);
    known.set(name, [...same, { data, buffer }]);
    return buffer;
  };
}

/** By bits: a table may hold NaN. */
function isEqual(a: Numbers, b: Numbers): boolean {
  if (a.length !== b.length || a.constructor !== b.constructor) return false;
  const [left, right] = [a, b].map((one) => new Uint32Array(one.buffer, one.byteOffset, one.length)) as [
    Uint32Array,
    Uint32Array,
  ];
  return left.every((value, n) => value === right[n]);
}
