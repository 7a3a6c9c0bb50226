// Parts of a matrix brought together in a thread's private memory, for a library that knows no gaps: columns one after the
// other, or its rows, which is the transpose.

import type { Matrix } from './slices.ts';
import type { Copy } from './work.ts';

export interface Gather {
  readonly from: Matrix;
  /** Rows one after the other. */
  readonly turned: boolean;
}

/** What lies there afterwards, `rows` elements side by side. */
export const gathered = ({ from: { rows, columns }, turned }: Gather) =>
  turned ? { rows: columns, columns: rows } : { rows, columns };

/** Bytes, so many that what comes after begins on a line of the cache. */
export const gatherBytes = ({ from: { rows, columns } }: Gather): number => Math.ceil((4 * rows * columns) / 64) * 64;

export function gather({ from, turned }: Gather, to: number, memory: WebAssembly.Memory, copy: Copy): void {
  if (turned) return turn(from, to / 4, new Float32Array(memory.buffer));
  const bytes = 4 * from.rows;
  for (let column = 0; column < from.columns; column += 1) {
    copy((to + column * bytes) | 0, (from.address + 4 * column * from.leading) | 0, bytes);
  }
}

/** Rows taken at once, so that what is written to stays in the cache. */
const block = 32;

function turn({ address, leading, rows, columns }: Matrix, to: number, all: Float32Array): void {
  const from = address / 4;
  const inFours = columns - (columns % 4);
  for (let row = 0; row < rows; row += block) {
    const end = Math.min(rows, row + block);
    for (let column = 0; column < inFours; column += 4) {
      const [one, two, three] = [leading, 2 * leading, 3 * leading];
      let at = from + column * leading + row;
      let into = to + row * columns + column;
      for (let r = row; r < end; r += 1) {
        all[into] = all[at]!;
        all[into + 1] = all[at + one]!;
        all[into + 2] = all[at + two]!;
        all[into + 3] = all[at + three]!;
        at += 1;
        into += columns;
      }
    }
    for (let column = inFours; column < columns; column += 1) {
      for (let r = row; r < end; r += 1) all[to + r * columns + column] = all[from + column * leading + r]!;
    }
  }
}
