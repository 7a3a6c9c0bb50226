// An encoding alone: the part of attention's program that makes the encoded query and key, with gradients of all that it
// reads, compiled for a device. What attention does with them is left out.

import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { Plan, PlanOptions } from '../../codegen/plan/plan.ts';
import type { Language, Module } from '../../targets/device.ts';
import { compileProgram, hasGradient } from '../compile.ts';
import type { Program } from '../ir/ir.ts';
import { loadModule } from '../load-module.ts';
import { targetPlan } from '../options.ts';
import type { CompileOptions } from '../options.ts';

const encoded = ['query_encoded', 'key_encoded'] as const;

export interface EncodingAlone {
  readonly module: Module;
  readonly plan: Plan;
  readonly results: readonly string[]; // of query_encoded, key_encoded: those that the encoding changes
  /** Backward has gradients of more than query and key, so that it must know the angle's. */
  readonly learns: boolean;
}

/** Null where the encoding leaves query and key alone. */
export async function compileAlone(
  attend: Program,
  target: Language,
  precision: CompileOptions['precision'],
): Promise<EncodingAlone | null> {
  const results = encoded.filter((name) => attend.results.get(name)?.origin.kind === 'defined');
  if (results.length === 0) return null;
  const program: Program = { ...attend, results: new Map(results.map((name) => [name, attend.results.get(name)!])) };
  const forward = buildPlan(program, { outputs: results });
  const read = new Set(forward.entries.flatMap(({ inputs }) => inputs.map(({ buffer }) => buffer.name)));
  const gradients = program.inputs
    .filter((tensor) => read.has(tensor.name) && hasGradient(tensor))
    .map(({ name }) => name);
  const options: Partial<PlanOptions> = { outputs: results, seeds: results, gradients };
  return {
    module: await loadModule(await compileProgram(program, options, { target, precision })),
    plan: buildPlan(program, { ...targetPlan(target, precision), ...options }),
    results,
    learns: gradients.some((name) => name !== 'query' && name !== 'key'),
  };
}
