// A runner for src/verify: the plan of a program, run in the kernel simulator. bf16 buffers hold rounded numbers.

import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { Plan, PlanOptions } from '../../codegen/plan/plan.ts';
import { seedNames } from '../../src/verify/run.ts';
import type { Runner, Task } from '../../src/verify/run.ts';
import { runPlan, wholeSizes, type RunOptions, type Values } from './run-plan.ts';

export function simulatorRunner(options: Partial<PlanOptions>, run: RunOptions = {}): Runner {
  return async (task) => {
    const plan = planOf(task, options);
    const given: Values = { ...task.inputs, ...task.seeds };
    const values = runPlan(plan, wholeSizes(task.sizes.batch, task.sizes.tokens), given, run);
    const all = plan.gradients ?? plan.program;
    const read = (name: string): [string, ArrayLike<number>][] => {
      const data = values.get(name) ?? values.get(all.results.get(name)?.name ?? '');
      return data === undefined ? [] : [[name.replace(/^d_/, ''), data]];
    };
    return {
      outputs: new Map(task.outputs.flatMap(read)),
      gradients: new Map(task.gradients.flatMap((name) => read(`d_${name}`))),
      kept: { program: all, narrow: plan.narrow, inside: options.inside ?? 'bf16' },
    };
  };
}

function planOf({ program, outputs, gradients }: Task, options: Partial<PlanOptions>): Plan {
  const learned = program.inputs.filter(({ origin }) => origin.kind === 'learned').map(({ name }) => name);
  return buildPlan(program, {
    outputs: [...new Set(['output', ...outputs])],
    gradients,
    seeds: seedNames(program),
    accumulate: gradients.filter((name) => learned.includes(name)),
    ...options,
  });
}
