// Every file of the catalogue, at small sizes: its form, its claims, its gradients, its kernels for every target.

import { basename } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { format } from '../../grammar/format.ts';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import { verifyPlan } from '../../codegen/plan/verify.ts';
import { entries, families } from '../../src/catalogue/entries.ts';
import { frontEnd } from '../../src/front-end.ts';
import type { Program } from '../../src/ir/ir.ts';
import { dead } from '../../src/passes/dead.ts';
import { compileOptions, targetPlan } from '../../src/options.ts';
import { targetOf } from '../../targets/targets.ts';
import { decodeError } from '../kernels/check-decode.ts';
import { differentiated } from '../kernels/differentiated.ts';
import { checkCase } from '../kernels/check-plan.ts';
import { runWasm } from '../wasm/run-kernel.ts';
import { geometry, isBidirectional } from './interpreted.ts';
import { partsOf, smaller, type Part } from './parts.ts';
import { gradientError } from './gradients.ts';

/** What `pegen check` warns of, where it is meant. */
const warnings: Readonly<Record<string, readonly string[]>> = {
  abacus: ['PE0520'], // a running maximum
  bipe: ['PE0520'], // a running maximum
  bipe_alibi: ['PE0520'],
  cosformer: ['PE0520'], // the sum of a row
};

/** A loss of the encoding's own, where it has one, is asked for besides. */
function asked(program: Program, output: string): Partial<PlanOptions> {
  const results = program.results.has('loss') ? [output, 'loss'] : [output];
  return { ...differentiated(program, output), outputs: results, seeds: results };
}

const all = entries();

test('names are used once, families are known', () => {
  const names = all.map(({ name }) => name);
  expect(names.filter((name, n) => names.indexOf(name) !== n)).toEqual([]);
  expect(all.filter(({ family }) => !Object.hasOwn(families, family)).map(({ path }) => path)).toEqual([]);
});

describe.each(all.map((entry) => [entry.name, entry] as const))('%s', (name, entry) => {
  const { source, header } = entry;
  const bidirectional = isBidirectional(entry);
  const options = compileOptions({ geometry: { ...geometry, bidirectional }, params: smaller[name] ?? {} });
  const front = frontEnd(source, options);
  const parts = (): readonly Part[] => partsOf(front.lowered!);

  it('is well-formed, in canonical form, and its claims hold', () => {
    expect(header).toMatchObject({ formula: expect.stringMatching(/./) as string });
    expect(basename(source.path)).toBe(`${name}.pe`);
    expect(format(source.text)).toEqual({ text: source.text, diagnostics: [] });
    expect(front.diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(front.diagnostics.map(({ code }) => code)).toEqual(warnings[name] ?? []);
    expect(front.checked!.name).toBe(name);
    expect(front.laws.length).toBeGreaterThan(0);
    expect(front.laws.map(({ text, kind }) => [text, kind]).filter(([, kind]) => kind === 'false')).toEqual([]);
  });

  it('has the gradients of central differences', () => {
    for (const [program, output] of parts()) {
      const only = dead({ ...program, results: new Map([[output, program.results.get(output)!]]) });
      expect(gradientError(only, output, 5)).toBeLessThan(1e-7);
    }
  });

  it.each(['wgsl', 'cuda'] as const)('has kernels for %s', (language) => {
    const { kernel: print } = targetOf(language);
    for (const [program, output] of parts()) {
      const target = targetPlan(language, 'f32');
      const plan = buildPlan(program, { ...asked(program, output), ...target, decode: !bidirectional });
      expect(verifyPlan(plan, target.maxBindings ?? 8)).toEqual([]); // runs verify the CPU's
      const decoded = output === 'output' && !bidirectional;
      const wanted = ['forward', 'backward', ...(decoded ? ['decode'] : [])];
      expect(plan.entries.map((each) => each.name)).toEqual(expect.arrayContaining(wanted));
      for (const kernel of plan.kernels)
        for (const { body } of kernel.variants) expect(print(body, kernel.comment).length).toBeGreaterThan(0);
    }
  });

  it('runs on a CPU as in the interpreter, whole and token by token', () => {
    for (const [program, output] of parts()) {
      const { errors } = checkCase({
        program,
        options: { ...targetPlan('wasm', 'f32'), ...asked(program, output) },
        batch: 1,
        tokens: 6,
        orders: ['forward'],
        run: { execute: runWasm },
      });
      expect(Object.keys(errors).length).toBeGreaterThan(0);
      expect(Object.entries(errors).filter(([, error]) => !(error <= 2e-5))).toEqual([]);
    }
    if (bidirectional) return;
    const { attend } = front.lowered!;
    expect(decodeError(attend, [3, 1, 1], targetPlan('wasm', 'f32'), { execute: runWasm })).toBeLessThan(2e-5);
  });
});
