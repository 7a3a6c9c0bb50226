// Each kernel of a module alone on buffers of random numbers, beside what the device can copy.

import { wholeSequence } from '../../targets/device.ts';
import type { Device, Module, Sizes } from '../../targets/device.ts';
import type { LaunchPlan, Plan } from '../../codegen/plan/plan.ts';
import { evaluateSize, product } from '../../codegen/plan/size.ts';
import type { Rows } from './bench-sizes.ts';
import type { Stopwatch } from './bench-time.ts';
import { filledBuffer } from './bench-values.ts';

export interface BenchRow {
  readonly kernel: string;
  readonly microseconds: number;
  readonly gigabytesPerSecond: number;
  readonly ofCopy: number; // share of the device's copy rate
  readonly gigaflopsPerSecond: number;
}

/** Every kernel of a plan; `copy`: bytes a second that the device copies. */
export async function benchModule(
  device: Device,
  module: Module,
  plan: Plan,
  { batch, tokens }: Rows,
  stopwatch: Stopwatch,
  copy: number,
): Promise<readonly BenchRow[]> {
  await device.prepare(Object.values(module.kernels));
  const sizes = wholeSequence(batch, tokens);
  const rows: BenchRow[] = [];
  const launches = plan.entries.flatMap((entry) => entry.launches);
  for (const launch of launches) rows.push(await benchLaunch(device, module, launch, sizes, stopwatch, copy));
  return rows;
}

async function benchLaunch(
  device: Device,
  module: Module,
  { kernel, buffers }: LaunchPlan,
  sizes: Sizes,
  { time }: Stopwatch,
  copy: number,
): Promise<BenchRow> {
  const generated = Object.values(module.kernels).find(({ name }) => name === kernel.name);
  if (generated === undefined) throw new Error(`the module has no kernel ${kernel.name}`);
  const held = buffers.map(({ name, shape, type }) =>
    filledBuffer(device, { name, type, elements: evaluateSize(product(shape), sizes) }),
  );
  const seconds = await time((tape) => tape.launch(generated, held), sizes);
  held.forEach(({ storage }) => device.free(storage!));
  const bytesPerSecond = evaluateSize(kernel.cost.bytes, sizes) / seconds;
  return {
    kernel: kernel.name,
    microseconds: seconds * 1e6,
    gigabytesPerSecond: bytesPerSecond / 1e9,
    ofCopy: bytesPerSecond / copy,
    gigaflopsPerSecond: evaluateSize(kernel.cost.flops, sizes) / seconds / 1e9,
  };
}
