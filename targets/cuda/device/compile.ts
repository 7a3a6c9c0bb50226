// Compiles kernels: those whose machine code is not in the cache become units, which are compiled side by side; out comes,
// for every text, the unit that holds it. The compiler is NVRTC, nvcc, or g++ for the emulation.

import type { KernelCache, CachedUnit } from './cache.ts';
import { compileError, unitsOf, type KernelText, type Unit } from './unit.ts';

export interface Compiler {
  readonly description: string; // 'NVRTC 13.0'
  /** All that machine code depends on besides the text: compiler, version, architecture, options. */
  readonly identity: string;
  /** Units at a time. */
  readonly parallel: number;
  /** Characters of kernels in a unit. */
  readonly unitSize: number;
  compile(unit: Unit): Promise<Uint8Array | CompileFailure>;
}

/** What the compiler said. */
export interface CompileFailure {
  readonly log: string;
}

export type Progress = (done: number, total: number) => void;

/** Kernels done of all that had to be compiled are told to `progress`. */
export async function compileTexts(
  texts: readonly KernelText[],
  compiler: Compiler,
  prelude: string,
  cache: KernelCache,
  progress: Progress,
): Promise<ReadonlyMap<string, CachedUnit>> {
  const found = new Map<string, CachedUnit>(); // by key
  const missing: KernelText[] = [];
  const cached = await Promise.all(texts.map(({ key }) => cache.find(key)));
  texts.forEach((text, index) => {
    const unit = cached[index] ?? null;
    if (unit === null) missing.push(text);
    else found.set(text.key, unit);
  });
  if (missing.length === 0) return found;
  const units = unitsOf(missing, prelude, compiler.unitSize);
  let next = 0;
  let done = 0;
  progress(done, missing.length);
  const work = async (): Promise<void> => {
    for (let unit = units[next++]; unit !== undefined; unit = units[next++]) {
      const result = await compiler.compile(unit);
      if (!(result instanceof Uint8Array)) {
        next = units.length;
        throw compileError(unit, result.log, compiler.description);
      }
      const keys = unit.kernels.map(({ key }) => key);
      const kept = await cache.keep(keys, result);
      for (const key of keys) found.set(key, kept);
      done += keys.length;
      progress(done, missing.length);
    }
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(compiler.parallel, units.length) }, work));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return found;
}
