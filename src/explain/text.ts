// Numbers and shapes as people read them.

import type { Tensor } from '../ir/ir.ts';

const scaled = (value: number, step: number, units: readonly string[]): string => {
  let n = 0;
  let rest = value;
  while (rest >= step && n < units.length - 1) {
    rest /= step;
    n += 1;
  }
  const digits = n === 0 || rest >= 100 ? 0 : rest >= 10 ? 1 : 2;
  return `${rest.toFixed(digits)} ${units[n]!}`.trimEnd();
};

export const bytesText = (bytes: number): string => scaled(bytes, 1000, ['B', 'kB', 'MB', 'GB', 'TB']);
export const flopsText = (flops: number): string => scaled(flops, 1000, ['', 'k', 'M', 'G', 'T', 'P']);
export const timeText = (microseconds: number): string =>
  microseconds >= 1e6
    ? `${(microseconds / 1e6).toFixed(2)} s`
    : microseconds >= 1000
      ? `${(microseconds / 1000).toFixed(2)} ms`
      : `${microseconds.toFixed(microseconds >= 10 ? 1 : 2)} us`;

/** `phase [b: batch, t: tokens, p: 8]` */
export function tensorText({ name, axes }: Tensor): string {
  const shape = axes.map((axis) => (typeof axis.extent === 'number' ? `${axis.name}: ${axis.extent}` : axis.name));
  return axes.length === 0 ? name : `${name} [${shape.join(', ')}]`;
}
