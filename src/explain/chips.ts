// What named chips can do at best, from their makers' data sheets: memory traffic and float32 arithmetic without matrix
// units. Floors are computed with these; nothing reaches them: a copy stays about a tenth below.

export interface Chip {
  readonly name: string;
  readonly bytesPerSecond: number;
  readonly flopsPerSecond: number;
  /** What a copy was measured to reach; null where nobody said. */
  readonly copyBytesPerSecond: number | null;
}

const chip = (name: string, gigabytes: number, teraflops: number, copied: number | null = null): Chip => ({
  name,
  bytesPerSecond: gigabytes * 1e9,
  flopsPerSecond: teraflops * 1e12,
  copyBytesPerSecond: copied === null ? null : copied * 1e9,
});

export const chips = {
  h100: chip('NVIDIA H100 SXM', 3350, 66.9, 3000),
  h200: chip('NVIDIA H200', 4800, 66.9),
  a100: chip('NVIDIA A100 80 GB SXM', 2039, 19.5),
  l4: chip('NVIDIA L4', 300, 30.3),
  t4: chip('NVIDIA T4', 320, 8.1),
  rtx3090: chip('NVIDIA GeForce RTX 3090', 936, 35.6),
  rtx4090: chip('NVIDIA GeForce RTX 4090', 1008, 82.6),
  mi300x: chip('AMD Instinct MI300X', 5300, 163.4),
  m1: chip('Apple M1', 68.25, 2.6),
  m2: chip('Apple M2', 100, 3.6),
  m2_ultra: chip('Apple M2 Ultra', 800, 27.2),
  // Measured, not promised: two cores of a server processor.
  swiftshader: chip('SwiftShader on two CPU cores', 8, 0.0034),
} as const satisfies Record<string, Chip>;

export type ChipName = keyof typeof chips;
export const chipNames = Object.keys(chips) as readonly ChipName[];
