// Tapes of generated encodings as fast-check makes them, how many runs a test does, and from which seed.

import fc from 'fast-check';
import { shapes, type Tapes } from './encodings.ts';

/** A little of everything by default; `PEGEN_FUZZ=2000 PEGEN_FUZZ_SEED=7` looks longer, elsewhere. */
export const runs = (share = 1): { readonly numRuns: number; readonly seed: number } => ({
  numRuns: Math.max(1, Math.ceil(Number(process.env['PEGEN_FUZZ'] ?? 25) * share)),
  seed: Number(process.env['PEGEN_FUZZ_SEED'] ?? 20261),
});

const statements = (least: number, most: number): fc.Arbitrary<number[][]> =>
  fc.array(fc.array(fc.nat(9999), { minLength: 12, maxLength: 40 }), { minLength: least, maxLength: most });

export const tapes: fc.Arbitrary<Tapes> = fc.record({
  embeddings: statements(0, 1),
  inputs: fc.oneof({ arbitrary: fc.constant([]), weight: 3 }, statements(0, 2)),
  declarations: statements(1, 5),
  tokens: statements(0, 3),
  pairs: statements(0, 3),
  weights: statements(0, 1),
  outputs: statements(0, 1),
  losses: fc.oneof({ arbitrary: fc.constant([]), weight: 2 }, statements(0, 1)),
  inherited: fc.oneof({ arbitrary: fc.constant([]), weight: 3 }, fc.array(fc.nat(6), { minLength: 1, maxLength: 3 })),
  shape: fc.oneof({ arbitrary: fc.constant(0), weight: 2 }, fc.nat(shapes.length - 1)),
});
