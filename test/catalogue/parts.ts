// The catalogue's files as programs at small sizes: attention with an encoding, what is done to the embedding, and to x.

import type { Entry } from '../../src/catalogue/entries.ts';
import { entries } from '../../src/catalogue/entries.ts';
import type { Program } from '../../src/ir/ir.ts';
import type { Lowered } from '../../src/lower/lower.ts';
import { isBidirectional, lowered } from './interpreted.ts';

/** Networks of a few units: quick, and with few kinks in the way of a difference. */
export const smaller: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  log_cpb: { units: 6 },
  sinespe: { sines: 2, realisations: 3 },
  f_stripe: { sines: 2, realisations: 3 },
  fire: { units: 8 },
  dape: { units: 8 },
  dape_v2: { units: 8 },
  fourier: { features: 4, units: 8 },
  repo: { width: 8 },
  sandwich: { waves: 6 },
  cope: { longest: 6 },
  deberta: { far: 5 },
  deberta_v3: { buckets: 4, far: 9 },
  wavlm: { buckets: 8, max_distance: 12 },
  abacus: { longest: 5, digits: 4 },
  seqpe: { digits: 2, width: 6, samples: 3, candidates: 4 },
  seqpe_additive: { digits: 2, width: 6, samples: 3, candidates: 4 },
  seqpe_rotary: { digits: 2, width: 6, samples: 3, candidates: 4, temperature: 4 },
  decomposed: { window: 3 },
  factorised: { side: 4 },
  cpe_grid: { columns: 3 },
  knarpe: { nearest: 3, waves: 2 },
};

/** A program and the result that leaves it. */
export type Part = readonly [Program, string];

export function partsOf({ attend, embed, input }: Lowered): readonly Part[] {
  const found: Part[] = [[attend, 'output']];
  if (embed !== null) found.push([embed, 'embedding_encoded']);
  if (input !== null) found.push([input, 'x_encoded']);
  return found;
}

/** What a slow device runs by default: constructs that no file in `examples/` itself has. `PEGEN_CATALOGUE=all` runs all. */
const byDefault = ['string_cayley', 'knarpe', 'seqpe', 'repo'];

export const forSlowDevices: readonly (readonly [string, Entry])[] = entries()
  .filter(({ name }) => process.env['PEGEN_CATALOGUE'] === 'all' || byDefault.includes(name))
  .map((entry) => [entry.name, entry]);

export const partsOfEntry = (entry: Entry): readonly Part[] =>
  partsOf(lowered(entry.source, { params: smaller[entry.name] ?? {}, bidirectional: isBidirectional(entry) }));
