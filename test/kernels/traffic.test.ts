// What the kernels of an encoding move, counted in the simulator element by element, against the least that rotations can:
// with N = batch * tokens * heads * head_dim, query and key are read and written in place in 8 N bytes of bf16, and turned back
// with the gradient of their angle, from what came out, in 12 N.

import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import { bytesOfElement, type Statement } from '../../codegen/kernel.ts';
import { nestedIn } from '../../codegen/map-expressions.ts';
import type { EntryName, LaunchPlan, Plan, PlanOptions } from '../../codegen/plan/plan.ts';
import { expressionsIn, loadsOf } from '../../codegen/simt/lockstep.ts';
import { targetPlan } from '../../src/options.ts';
import { loadFile } from '../lower/load.ts';
import { moved } from './count-traffic.ts';
import { wholeSizes } from './run-plan.ts';

const [batch, tokens, heads, headDim] = [2, 8, 4, 64];
const sizes = wholeSizes(batch, tokens);

function planOf(name: string, options: Partial<PlanOptions>, keyHeads = heads): Plan {
  const geometry = { heads, kv_heads: keyHeads, head_dim: headDim, model_dim: 256, context: 16, layers: 1, layer: 0 };
  const { attend } = loadFile(`examples/${name}.pe`, { geometry }).lowered!;
  const gradients = attend.inputs
    .filter(({ type, origin }) => type === 'real' && !(origin.kind === 'given' && origin.given === 'user'))
    .map((input) => input.name);
  return buildPlan(attend, { ...targetPlan('cuda', 'bf16'), gradients, ...options });
}

const launchesOf = (plan: Plan, entry: EntryName): readonly LaunchPlan[] =>
  plan.entries.find(({ name }) => name === entry)!.launches;

/** The launches that rotate, and the bytes of what has batch, tokens and features. */
function rotations(plan: Plan, entry: EntryName): { launches: readonly LaunchPlan[]; bytes: number } {
  const launches = launchesOf(plan, entry).filter(({ kernel }) => kernel.definitions.some((d) => d.kind === 'rotate'));
  let bytes = 0;
  for (const launch of launches) {
    const streams = new Set(launch.buffers.filter(({ shape }) => shape.length === 4).map(({ name }) => name));
    for (const [name, each] of moved(launch, sizes)) if (streams.has(name)) bytes += each;
  }
  return { launches, bytes };
}

const loadsIn = (statement: Statement): readonly unknown[] => expressionsIn(statement).flatMap((e) => loadsOf(e));

const n = batch * tokens * heads * headDim;
const pairs = n / 2;

describe.each([
  ['bf16', 2],
  ['f32', 4],
] as const)('in %s', (precision, element) => {
  it.each([
    ['rope', 0, 0],
    ['rope_interleaved', 0, 0],
    ['rope_learned', 0, 0],
    ['carope', 4 * pairs, 8 * pairs], // its phase; its phase and the gradient of its phase
  ] as const)('%s moves the least, in one launch each way', (name, phase, back) => {
    const plan = planOf(name, { precision });
    const learns = name === 'rope_learned' || name === 'carope';
    const forward = rotations(plan, 'forward');
    expect(forward.launches).toHaveLength(1);
    expect(forward.bytes).toBe(4 * n * element + phase);
    const backward = rotations(plan, 'backward');
    expect(backward.launches).toHaveLength(1);
    expect(backward.bytes).toBe((learns ? 6 : 4) * n * element + back);
  });

  it('rotates query and key of different heads in one launch', () => {
    for (const entry of ['forward', 'backward'] as const) {
      const { launches, bytes } = rotations(planOf('rope', { precision }, 1), entry);
      expect(launches).toHaveLength(1);
      expect(bytes).toBe(2 * (n + n / heads) * element);
    }
  });
});

it('has accesses of 16 bytes alone where it rotates', () => {
  for (const name of ['rope', 'rope_learned', 'carope']) {
    const plan = planOf(name, {});
    for (const entry of ['forward', 'backward'] as const) {
      for (const { kernel } of rotations(plan, entry).launches) {
        const type = new Map(kernel.bindings.map((binding) => [binding.name, binding.type]));
        const all = [...nestedIn(kernel.variants[0]!.body.statements)];
        const wide = all.flatMap((each) =>
          each.kind === 'load-elements' || each.kind === 'store-elements' ? [each] : [],
        );
        for (const { buffer, count } of wide) expect(count * bytesOfElement[type.get(buffer)!]).toBe(16);
        expect(new Set(wide.map(({ buffer }) => buffer))).toEqual(new Set(type.keys()));
        expect(all.filter((each) => each.kind === 'store' || loadsIn(each).length > 0)).toEqual([]);
      }
    }
  }
});

it('keeps narrow kernels as they are', () => {
  const narrow = planOf('rope', { access: 4, lanes: 64, precision: 'f32' });
  const text = JSON.stringify(narrow.kernels.map(({ variants }) => variants.map(({ body }) => body)));
  expect(text).not.toContain('-elements');
});
