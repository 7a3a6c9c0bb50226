// Gradients stay where they belong: whatever passes and rewrites make of a program, the cotangent of a tensor that is
// computed once an optimizer step is pulled back once an optimizer step. For every example and entry of the catalogue.

import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../codegen/plan/differentiate.ts';
import { planOptions } from '../../codegen/plan/options.ts';
import { assignStages } from '../../codegen/plan/stages.ts';
import { entries } from '../../src/catalogue/entries.ts';
import { hasGradient } from '../../src/compile.ts';
import type { Program, Tensor } from '../../src/ir/ir.ts';
import { tensorsOf } from '../../src/ir/visit.ts';
import { assignSlots, isBefore } from '../../src/passes/slots.ts';
import type { Slot } from '../../src/passes/slots.ts';
import { loadFile } from '../lower/load.ts';

const geometry = { heads: 4, kv_heads: 4, head_dim: 16, model_dim: 12, context: 16, layers: 2, layer: 0 };
const examples = readdirSync('examples').filter((file) => file.endsWith('.pe'));
const paths = [...examples.map((file) => `examples/${file}`), ...entries().map(({ path }) => path)];

function gradientsOf(attend: Program): { program: Program; wanted: readonly Tensor[] } {
  const read = attend.inputs.filter(hasGradient);
  const results = attend.results.has('loss') ? ['output', 'loss'] : ['output'];
  const learned = read.filter(({ origin }) => origin.kind === 'learned');
  const options = planOptions(attend, {
    outputs: results,
    seeds: results,
    gradients: read.map(({ name }) => name),
    accumulate: learned.map(({ name }) => name),
    context: geometry.context,
  });
  const { all, wanted } = differentiate(attend, options);
  return { program: all, wanted };
}

/** Of each tensor the latest slot that reads it on the way forward. */
function lastReaders(program: Program, slots: ReadonlyMap<Tensor, Slot>): ReadonlyMap<Tensor, Slot> {
  const last = new Map<Tensor, Slot>();
  for (const d of program.definitions) {
    if (d.adjointOf !== null) continue;
    const own = slots.get(d.tensor)!;
    for (const tensor of tensorsOf(d)) {
      const known = last.get(tensor);
      if (known === undefined || isBefore(known, own)) last.set(tensor, own);
    }
  }
  return last;
}

describe('gradients of what is computed once an optimizer step', () => {
  const found = { finish: 0, shared_finish: 0 };
  it.each(paths)('%s', (path) => {
    const { lowered } = loadFile(path, { geometry });
    const { program, wanted } = gradientsOf(lowered!.attend);
    const slots = assignSlots(program, { late: wanted });
    const stages = assignStages(program, slots);
    const last = lastReaders(program, slots.tensors);
    const made = new Set(program.definitions);
    for (const d of program.definitions) {
      if (d.adjointOf !== null)
        expect(made.has(d.adjointOf), `${d.tensor.name} is of a definition that is gone`).toBe(true);
      if (d.cotangentOf === undefined) continue;
      const reader = last.get(d.cotangentOf);
      if (reader !== 'shared' && reader !== 'step') continue;
      const stage = reader === 'shared' ? 'shared_finish' : 'finish';
      found[stage] += 1;
      const allowed = reader === 'shared' ? [stage] : ['finish', 'shared_finish'];
      expect(allowed, `${d.tensor.name} is made in ${stages.get(d)}`).toContain(stages.get(d));
    }
  });

  it('there are some of each kind', () => {
    expect(found.finish).toBeGreaterThan(20);
    expect(found.shared_finish).toBeGreaterThan(20);
  });
});
