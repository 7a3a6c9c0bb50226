// Choices of a generator, read off a list of numbers: the same list makes the same program, a shorter list or smaller
// numbers a simpler one, so that fast-check makes a failing program small by making its list small.

export interface Tape {
  /** One of 0, ..., count - 1; 0 when the tape has ended. */
  readonly choose: (count: number) => number;
  readonly pick: <T>(from: readonly T[]) => T;
}

export function tape(numbers: readonly number[]): Tape {
  let next = 0;
  const choose = (count: number): number => (numbers[next++] ?? 0) % count;
  return { choose, pick: (from) => from[choose(from.length)]! };
}
