// What the compiler says of an entry of the catalogue: where it acts, in which stages, what it learns, what is proved.
// Numbers are counted for the sizes that every command has without a flag; laws are decided for smaller ones.

import type { CheckedSite, Geometry } from '../check/checked.ts';
import { stageNames, stagesOf, type StageName } from '../explain/stages.ts';
import { learnedOf } from '../explain/summary.ts';
import { frontEnd } from '../front-end.ts';
import type { LawResult } from '../laws/laws.ts';
import type { Lowered } from '../lower/lower.ts';
import { compileOptions, defaultGeometry } from '../options.ts';
import { assignSlots } from '../passes/slots.ts';
import type { Source } from '../source.ts';

export const lawGeometry: Geometry = { ...defaultGeometry, heads: 2, kv_heads: 2, model_dim: 12 };

export interface Description {
  readonly classes: readonly string[];
  readonly stages: readonly StageName[];
  readonly learned: number; // in all layers
  readonly laws: readonly LawResult[];
  readonly lowered: Lowered;
}

/** Null where it does not compile. */
export function describe(source: Source, bidirectional = false): Description | null {
  const geometry: Geometry = { ...defaultGeometry, bidirectional };
  const { checked, lowered } = frontEnd(source, compileOptions({ geometry, laws: false }));
  if (checked === null || lowered === null) return null;
  const { laws } = frontEnd(source, compileOptions({ geometry: { ...lawGeometry, bidirectional } }));
  const used = new Set<StageName>();
  for (const program of [lowered.embed, lowered.attend])
    if (program !== null)
      for (const [definition, stage] of stagesOf(program, assignSlots(program).of))
        if (definition.span !== null) used.add(stage); // attention's own have none
  return {
    classes: [...new Set(checked.sites.map(classOf))],
    stages: stageNames.filter((stage) => used.has(stage)),
    learned: learnedOf({ checked, lowered }).reduce((sum, { count, trained }) => sum + (trained ? count : 0), 0),
    laws,
    lowered,
  };
}

function classOf(site: CheckedSite): string {
  switch (site.kind) {
    case 'rotate':
      return site.target === 'query' || site.target === 'key' ? 'rotary' : `rotary ${site.target}s`;
    case 'transform':
      return site.target === 'query' || site.target === 'key' ? 'matrices' : `matrices on ${site.target}s`;
    case 'transport':
      return 'transport';
    case 'assign':
      return classOfAssignment(site);
    default:
      return site satisfies never;
  }
}

function classOfAssignment({ target, operator }: Extract<CheckedSite, { kind: 'assign' }>): string {
  switch (target) {
    case 'embedding':
      return 'absolute';
    case 'x':
      return 'input';
    case 'query':
    case 'key':
      return operator === '*=' ? 'magnitude' : 'content';
    case 'visible':
      return 'mask';
    case 'score':
      return operator === '+=' ? 'bias' : operator === '*=' ? 'multiplier' : 'score';
    case 'attention':
      return operator === '=' ? 'weights' : 'multiplier after softmax';
    case 'value':
    case 'output':
      return 'value side';
    case 'loss':
      return 'loss';
    default:
      return target satisfies never;
  }
}
