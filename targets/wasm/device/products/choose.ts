// Who does the matrix products of a CPU device: libraries that are there and multiply rightly are timed, and so is our own
// kernel where the caller gives one; the fastest goes out, with the reason in words. What was measured once is kept, so that
// the next run, and a run that goes on, multiplies in the same way.

import { existsSync, statSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { DeviceError } from '../../../device.ts';
import { hashOf, openCache, type KernelCache } from '../../../cuda/device/cache.ts';
import { findBlas } from './blas.ts';
import { loadForeign, type Foreign } from './foreign.ts';
import { timeLibrary, timeOwn, type OwnKernel } from './measure.ts';
import { findRuntime } from './runtime.ts';
import { searchBlas, searchRuntime, type Search } from './search.ts';
import type { FoundLibrary } from './work.ts';

export const productChoices = ['auto', 'own', 'onnxruntime', 'openblas'] as const;
export type ProductChoice = (typeof productChoices)[number];

/** Our own kernel of some product, to hold libraries against; `key` changes with what it is made by. */
export interface Probe {
  readonly key: string;
  make(): Promise<OwnKernel>;
}

export interface Chosen {
  /** null: our own kernels. */
  readonly found: FoundLibrary | null;
  readonly why: string; // 'onnxruntime 1.30.0, 2.9 times as fast as our own'
}

export interface ProductWish {
  readonly wanted: ProductChoice;
  readonly probe: Probe | null;
  /** A folder for what was measured; null: nothing is kept. */
  readonly cache?: string | null;
}

type Kind = FoundLibrary['kind'];
const kinds: readonly Kind[] = ['onnxruntime', 'openblas'];
/** A library has to be so much faster than our own kernels, which do more at once: sums, bias and activation. */
const worthwhile = 1.15;

/** Throws DeviceError 'unavailable' where a library was asked for by name and is not there. */
export async function chooseProducts({ wanted, probe, cache }: ProductWish): Promise<Chosen> {
  if (wanted === 'own') return { found: null, why: 'own kernels, as asked for' };
  const foreign = loadForeign();
  if (foreign === null) return refused(wanted, 'the npm package koffi, which calls libraries, is not installed');
  const looked = kinds.filter((kind) => wanted === 'auto' || wanted === kind).map((kind) => find(foreign, kind));
  const found = looked.filter((each) => typeof each !== 'string');
  const missing = looked.filter((each) => typeof each === 'string').join('; ');
  if (found.length === 0) return refused(wanted, missing);
  const rates = await keptRates(await openCache(cache), found, probe);
  const timed = found.flatMap((each) => {
    const rate = rates[each.kind];
    return typeof rate === 'number' ? [{ each, rate }] : [];
  });
  const wrong = found.flatMap(({ kind }) => (typeof rates[kind] === 'string' ? [rates[kind]] : []));
  const best = timed.toSorted((a, b) => b.rate - a.rate)[0];
  if (best === undefined) return refused(wanted, wrong.join('; '));
  const { description } = best.each;
  const own = rates.own ?? null;
  if (own === null) return { found: best.each, why: description };
  const ratio = `${(best.rate / own).toFixed(1)} times as fast as our own`;
  if (wanted === 'auto' && best.rate < worthwhile * own) {
    return { found: null, why: `own kernels, since ${description} is only ${ratio}` };
  }
  return { found: best.each, why: `${description}, ${ratio}` };
}

function refused(wanted: ProductChoice, why: string): Chosen {
  if (wanted === 'auto') return { found: null, why: `own kernels (${why})` };
  throw new DeviceError('unavailable', `matrix products by ${wanted} were asked for: ${why}`);
}

/** A library that loads, or why none does. */
function find(foreign: Foreign, kind: Kind): FoundLibrary | string {
  const [{ paths, places }, open]: readonly [Search, (foreign: Foreign, path: string) => FoundLibrary | string] =
    kind === 'openblas' ? [searchBlas(), findBlas] : [searchRuntime(), findRuntime];
  let why: string | null = null; // of one that is there
  for (const path of paths) {
    const found = open(foreign, path);
    if (typeof found !== 'string') return found;
    if (existsSync(path)) why ??= found;
  }
  return why ?? `no ${kind}: ${places}`;
}

/** Operations a second; of a library that multiplies wrongly, why it is not used. */
type Rates = { readonly [kind in Kind]?: number | string } & { readonly own?: number };

async function keptRates(cache: KernelCache, found: readonly FoundLibrary[], probe: Probe | null): Promise<Rates> {
  const machine = [cpus()[0]?.model ?? '', availableParallelism(), process.version];
  const key = hashOf('products', JSON.stringify([machine, found.map(stamped), probe?.key ?? null]));
  const kept = await cache.find(key);
  if (kept !== null) return JSON.parse(new TextDecoder().decode(kept.bytes)) as Rates;
  const own = probe === null ? null : await probe.make();
  const entries = found.map((each) => [each.kind, timeLibrary(each, own)] as const);
  const rates: Rates = { ...Object.fromEntries(entries), ...(own === null ? {} : { own: timeOwn(own) }) };
  await cache.keep([key], new TextEncoder().encode(JSON.stringify(rates)));
  return rates;
}

/** The library, and when its file was written, where the path says which it is. */
function stamped(found: FoundLibrary): readonly unknown[] {
  const file = statSync(found.path, { throwIfNoEntry: false });
  return [found.kind, found.path, found.description, file?.size, file?.mtimeMs];
}
