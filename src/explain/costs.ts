// Kernels of a plan at given sizes -> the bytes they must move, the operations they must do, and the time below which
// no implementation on a chip can go.

import type { EntryPlan, LaunchPlan } from '../../codegen/plan/plan.ts';
import { evaluateSize } from '../../codegen/plan/size.ts';
import type { SizeValues } from '../../codegen/plan/size.ts';
import type { Chip } from './chips.ts';

export interface Cost {
  readonly bytes: number;
  readonly flops: number;
  readonly microseconds: number;
  readonly bound: 'memory' | 'arithmetic';
}

export function launchCost({ kernel }: LaunchPlan, sizes: SizeValues, chip: Chip): Cost {
  const bytes = evaluateSize(kernel.cost.bytes, sizes);
  const flops = evaluateSize(kernel.cost.flops, sizes);
  const [memory, arithmetic] = [bytes / chip.bytesPerSecond, flops / chip.flopsPerSecond];
  return {
    bytes,
    flops,
    microseconds: Math.max(memory, arithmetic) * 1e6,
    bound: memory >= arithmetic ? 'memory' : 'arithmetic',
  };
}

/** Of all launches, one after the other. */
export function entryCost({ launches }: EntryPlan, sizes: SizeValues, chip: Chip): Omit<Cost, 'bound'> {
  const costs = launches.map((launch) => launchCost(launch, sizes, chip));
  const total = (of: (cost: Cost) => number): number => costs.reduce((sum, cost) => sum + of(cost), 0);
  return {
    bytes: total((cost) => cost.bytes),
    flops: total((cost) => cost.flops),
    microseconds: total((cost) => cost.microseconds),
  };
}
