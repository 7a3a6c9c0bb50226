// When each definition of an encoding is computed, in the words of the language: static, table, step, token, apply, pair.

import type { Slot } from '../../codegen/plan/plan.ts';
import type { Definition, Program, Tensor } from '../ir/ir.ts';
import { tensorsOf } from '../ir/visit.ts';

export const stageNames = ['static', 'table', 'step', 'token', 'apply', 'pair'] as const;
export type StageName = (typeof stageNames)[number];

export const stageMeaning: Record<StageName, string> = {
  static: 'from numbers and sizes: once, by the host in float64',
  table: 'from positions: when they are known, by the host in float64',
  step: 'from learned tensors: once an optimizer step',
  token: 'from x or the embedding: in every layer, a token at a time',
  apply: 'from query, key and value: in every layer',
  pair: 'for two tokens at once: inside attention',
};

const later = (a: StageName, b: StageName): StageName => (stageNames.indexOf(a) < stageNames.indexOf(b) ? b : a);

/** Stages of the forward definitions. `slots` says when the planner computes each. */
export function stagesOf(program: Program, slots: ReadonlyMap<Definition, Slot>): ReadonlyMap<Definition, StageName> {
  const ofTensor = new Map<Tensor, StageName>();
  for (const tensor of program.inputs) {
    const { origin } = tensor;
    if (origin.kind !== 'given') continue;
    if (origin.given === 'query' || origin.given === 'key' || origin.given === 'value') ofTensor.set(tensor, 'apply');
    else if (origin.given === 'x' || origin.given === 'embedding') ofTensor.set(tensor, 'token');
  }
  const found = new Map<Definition, StageName>();
  for (const definition of program.definitions) {
    if (definition.adjointOf !== null || definition.cotangentOf !== undefined) continue;
    const slot = slots.get(definition) ?? 'layer';
    const isToken = ({ role }: { role: string }): boolean => role === 'token' || role === 'key-token';
    let stage: StageName = slot === 'layer' ? 'token' : slot === 'shared' ? 'step' : slot;
    if (slot === 'layer') {
      for (const tensor of tensorsOf(definition)) stage = later(stage, ofTensor.get(tensor) ?? 'static');
      if (definition.tensor.axes.filter(isToken).length > 1) stage = 'pair';
    }
    found.set(definition, stage);
    ofTensor.set(definition.tensor, stage);
  }
  return found;
}
