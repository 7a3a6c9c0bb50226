// The learning rate of a step: linear warm-up to `rate`, then half a cosine down to `final` at the last step.

export interface Schedule {
  readonly steps: number;
  readonly warmup: number;
  readonly rate: number;
  readonly final: number;
}

/** `step` counts from 1. */
export function learningRate(schedule: Schedule, step: number): number {
  const { steps, warmup, rate, final } = schedule;
  if (step <= warmup) return (rate * step) / warmup;
  if (step >= steps) return final;
  const progress = (step - warmup) / (steps - warmup);
  return final + (rate - final) * 0.5 * (1 + Math.cos(Math.PI * progress));
}
