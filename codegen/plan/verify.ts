// What every plan must hold; the text of each violation. Bugs in the planner, never the user's.

import type { EntryPlan, Plan } from './plan.ts';

export function verifyPlan(plan: Plan, maxBindings: number): readonly string[] {
  return [...plan.kernels.flatMap(kernelProblems), ...plan.entries.flatMap(entryProblems), ...unique()];

  function kernelProblems({ name, bindings, variants, product }: Plan['kernels'][number]): string[] {
    const problems: string[] = [];
    if (variants.length === 0) problems.push(`${name} has no variant`);
    if (bindings.length > maxBindings)
      problems.push(`${name} has ${bindings.length} bindings, more than ${maxBindings}`);
    if (!bindings.some(({ access }) => access === 'read_write')) problems.push(`${name} writes nothing`);
    if (product !== null && bindings[product.out.binding]?.access !== 'read_write')
      problems.push(`${name}: the product's result is not written`);
    for (const operand of product === null ? [] : [product.left, product.right, product.out]) {
      if (operand.batches.length !== product!.batches.length || bindings[operand.binding] === undefined)
        problems.push(`${name}: an operand of the product lies nowhere`);
    }
    for (const { body } of variants) {
      if (JSON.stringify(body.bindings) !== JSON.stringify(bindings))
        problems.push(`${name}: a variant binds otherwise`);
    }
    return problems;
  }

  function unique(): string[] {
    const names = plan.kernels.map(({ name }) => name);
    return names.filter((name, n) => names.indexOf(name) !== n).map((name) => `two kernels are called ${name}`);
  }
}

/** No buffer is bound twice in a launch, every buffer is known, read only after it is written, every output is made. */
function entryProblems({ name, inputs, outputs, temporaries, launches }: EntryPlan): string[] {
  const problems: string[] = [];
  const known = new Set([...inputs, ...outputs].map(({ buffer }) => buffer.name));
  for (const buffer of temporaries) {
    if (known.has(buffer.name)) problems.push(`${name}: temporary ${buffer.name} is a parameter too`);
    known.add(buffer.name);
  }
  const written = new Set(inputs.map(({ buffer }) => buffer.name));
  for (const { kernel, buffers } of launches) {
    const names = buffers.map((buffer) => buffer.name);
    if (names.length !== kernel.bindings.length)
      problems.push(`${name}: ${kernel.name} is launched with other buffers`);
    if (new Set(names).size !== names.length) problems.push(`${name}: ${kernel.name} binds a buffer twice`);
    names.forEach((buffer, n) => {
      if (!known.has(buffer)) problems.push(`${name}: ${kernel.name} binds ${buffer}, which is nowhere`);
      const { access } = kernel.bindings[n]!;
      if (access === 'read' && !written.has(buffer)) problems.push(`${name}: ${kernel.name} reads ${buffer} too early`);
      if (access === 'read_write') written.add(buffer);
    });
  }
  for (const { buffer, aliases } of outputs) {
    if (aliases === null ? !written.has(buffer.name) : !inputs.some((each) => each.buffer.name === aliases)) {
      problems.push(`${name}: output ${buffer.name} is never made`);
    }
  }
  return problems;
}
