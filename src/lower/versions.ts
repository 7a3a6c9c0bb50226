// Versions of attention's tensors: version 0 is the model's own, each site makes the next. A version is built when
// something first reads it, so what nothing reads is never there.

import {
  attentionInput,
  attentionWeights,
  pairAxes,
  products,
  scaledScore,
  weightedValues,
} from '../attention/compose.ts';
import { transportedProducts } from '../attention/transport.ts';
import type { ChainTensor, CheckedEncoding, CheckedSite } from '../check/checked.ts';
import { at } from '../ir/build.ts';
import type { Scalar, Tensor } from '../ir/ir.ts';
import type { Lowering, VisiblePoint } from './context.ts';
import { openFrame } from './frame.ts';
import { lowerSite } from './sites.ts';

type Versioned = Exclude<ChainTensor, 'visible'>;

export function lastVersion(encoding: CheckedEncoding, target: ChainTensor): number {
  return encoding.sites.filter((site) => site.target === target).length;
}

export function lastTensor(lowering: Lowering, target: Versioned): Tensor {
  return lowering.version(target, lastVersion(lowering.encoding, target));
}

export function makeVersion(lowering: Lowering, target: Versioned, version: number): Tensor {
  // Behind its sites the embedding is given: they act once, before the first layer.
  if (target === 'embedding' && lowering.part !== 'embed') return original(lowering, target);
  const site = lowering.encoding.sites.find((s) => s.target === target && s.version === version - 1);
  if (version === 0 || site === undefined) return original(lowering, target);
  const made = lowerSite(lowering, site, nameOf(lowering, target, version));
  recordSite(lowering, site, target, made);
  return made;
}

/** An assignment `=` reads no older version, which may then be made nowhere. */
function recordSite(lowering: Lowering, site: CheckedSite, target: Versioned, makes: Tensor): void {
  const begins = target === 'loss' && site.version === 0;
  const replaces = begins || (site.kind === 'assign' && site.operator === '=');
  const reads = replaces ? makes : lowering.version(target, site.version);
  lowering.sites.push({ kind: site.kind, target, span: site.span, reads, makes });
}

/** query_1, ..., query_encoded; the last output is `output`; scores before the mask are numbered throughout. */
function nameOf(lowering: Lowering, target: Versioned, version: number): string {
  const last = version === lastVersion(lowering.encoding, target);
  switch (target) {
    case 'embedding':
    case 'x':
    case 'query':
    case 'key':
    case 'value':
      return lowering.name(last ? `${target}_encoded` : `${target}_${version}`);
    case 'attention':
    case 'output':
    case 'loss':
      return last ? target : lowering.name(`${target}_${version}`);
    case 'score':
      return lowering.name(`score_${version}`);
    default:
      return target satisfies never;
  }
}

function original(lowering: Lowering, target: Versioned): Tensor {
  const { geometry } = lowering.encoding;
  switch (target) {
    case 'embedding':
    case 'x':
    case 'query':
    case 'key':
    case 'value': {
      const input = attentionInput(target, geometry);
      lowering.inputs.set(target, input);
      return input;
    }
    case 'score': {
      const [query, key] = [lastTensor(lowering, 'query'), lastTensor(lowering, 'key')];
      const transport = lowering.transport();
      const made =
        transport === null
          ? [products(lowering.name('query_key'), query, key, geometry)]
          : transportedProducts(lowering.name, query, key, transport, geometry);
      const scaled = scaledScore(nameOf(lowering, 'score', 0), made.at(-1)!.tensor, geometry);
      lowering.definitions.push(...made, scaled);
      return scaled.tensor;
    }
    case 'attention':
      return attention(lowering);
    case 'output': {
      const weights = lastTensor(lowering, 'attention');
      const made = weightedValues(nameOf(lowering, 'output', 0), weights, lastTensor(lowering, 'value'), geometry);
      lowering.definitions.push(made);
      return made.tensor;
    }
    case 'loss':
      throw new Error("'loss' begins with its first site");
    default:
      return target satisfies never;
  }
}

function attention(lowering: Lowering): Tensor {
  const score = lastTensor(lowering, 'score');
  const axes = pairAxes(lowering.encoding.geometry);
  const [, head, query, key] = axes.map(at) as [Scalar, Scalar, Scalar, Scalar];
  const name = nameOf(lowering, 'attention', 0);
  const frame = { ...openFrame(name), batch: axes[0]! };
  const point: VisiblePoint = { head, query, key };
  const where = lowering.allVisible(point, frame);
  const made = attentionWeights(name, score, axes, where);
  lowering.definitions.push(made);
  return made.tensor;
}
