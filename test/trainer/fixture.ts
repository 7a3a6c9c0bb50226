// The numbers of a 2-layer GPT-2 from PyTorch (test/fixtures/trainer/generate.py), and how a result is compared.
import { readFile } from 'node:fs/promises';
import { configure } from '../../src/trainer/configuration.ts';
import type { Configuration } from '../../src/trainer/configuration.ts';
import { floatsOf, readSafetensors } from '../../src/trainer/safetensors.ts';

interface Stored {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface Fixture {
  readonly configuration: Configuration;
  readonly vocabulary: number;
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
  readonly losses: Float32Array; // before each AdamW step
  readonly norms: Float32Array;
  readonly stored: ReadonlyMap<string, Stored>; // weights, gradient.NAME, logits, loss
}

export async function readFixture(name: string): Promise<Fixture> {
  const file = await readFile(new URL(`../fixtures/trainer/${name}.safetensors`, import.meta.url));
  const { tensors, metadata } = readSafetensors(file);
  const config = JSON.parse(metadata.get('config')!) as Record<string, number>;
  const { layers, heads, width, context, batch, steps, rate, epsilon, decay, clip } = config as Record<string, number>;
  const stored = new Map<string, Stored>();
  const ids = new Map<string, Int32Array>();
  for (const [key, tensor] of tensors) {
    if (tensor.type === 'I32') ids.set(key, new Int32Array(Uint8Array.from(tensor.data).buffer));
    else stored.set(key, { shape: tensor.shape, data: floatsOf(key, tensor) });
  }
  const sizes = { layers, heads, width, context, batch, steps, rate, epsilon, decay, clip } as Partial<Configuration>;
  const betas = { momentum: config['beta1']!, memory: config['beta2']! };
  return {
    configuration: configure({ ...sizes, ...betas, warmup: 0, final: 1 }),
    vocabulary: config['vocabulary']!,
    tokens: ids.get('tokens')!,
    targets: ids.get('targets')!,
    losses: stored.get('losses')!.data,
    norms: stored.get('norms')!.data,
    stored,
  };
}

/** [V], after token `place` of all B T. */
export function logitsAt({ stored, vocabulary }: Fixture, place: number): Float32Array {
  return stored.get('logits')!.data.subarray(place * vocabulary, (place + 1) * vocabulary);
}

/** -log probability of each target, [B, T]. */
export const lossesOf = (fixture: Fixture): number[] =>
  Array.from(fixture.targets, (target, place) => {
    const logits = logitsAt(fixture, place);
    return Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)) - logits[target]!;
  });

/** The largest difference over the largest magnitude. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let [difference, scale] = [0, 0];
  for (let n = 0; n < expected.length; n += 1) {
    const gap = Math.abs(actual[n]! - expected[n]!);
    difference = Number.isNaN(gap) ? Infinity : Math.max(difference, gap);
    scale = Math.max(scale, Math.abs(expected[n]!));
  }
  return difference / Math.max(scale, 1e-30);
}

/** The initial weights, as a store takes them. */
export const fixtureWeights = ({ stored }: Fixture): ReadonlyMap<string, Float32Array> =>
  new Map([...stored].map(([name, { data }]) => [name, data]));

/** Relative error of each gradient, largest first; every weight must have one. */
export function gradientErrors(
  fixture: Fixture,
  gradients: ReadonlyMap<string, ArrayLike<number>>,
): readonly (readonly [name: string, error: number])[] {
  const names = [...fixture.stored.keys()].filter((name) => name.startsWith('gradient.'));
  const errors = names.map((name) => {
    const own = gradients.get(name.replace('gradient.', '')) ?? [];
    return [name, relativeError(own, fixture.stored.get(name)!.data)] as const;
  });
  return errors.sort((a, b) => b[1] - a[1]);
}
