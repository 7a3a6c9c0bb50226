// Runs a kernel lane by lane in exact f32 and i32: buffers and sizes come in, the buffers are changed in place. Throws
// SimulationError for what no driver would tell: an index outside its array, an uninitialised read, a race between lanes
// or workgroups, a barrier that not every lane reaches, an integer divided by zero, a write to what is only read.
//
// The body is compiled to closures once. Lanes without a barrier are plain calls; others are generators that stop at
// barriers and subgroup operations. Lanes and workgroups run forward, backward or shuffled; a correct kernel cannot tell.

import type { KernelBody, KernelSizes } from './kernel.ts';
import { compileBody, type Lane, type Pause, type Program } from './simulate-compile.ts';
import { createMemory, SimulationError, type SimulatedBuffers } from './simulate-memory.ts';

export type { SimulatedBuffers } from './simulate-memory.ts';

export interface SimulateOptions {
  readonly order?: 'forward' | 'reverse' | 'random';
  readonly seed?: number;
  /** Lanes in a subgroup: a power of two; the default is 4. */
  readonly subgroup?: number;
  /** Runs `vector` loops backwards: their steps do not depend on each other. */
  readonly backwards?: boolean;
}

export function simulate(
  body: KernelBody,
  groups: number,
  buffers: SimulatedBuffers,
  sizes: KernelSizes,
  options: SimulateOptions = {},
): void {
  const { order = 'forward', seed = 1, subgroup = 4, backwards = false } = options;
  const memory = createMemory(body, buffers, sizes);
  const program = compileBody(body, memory, sizes, { subgroup: Math.min(subgroup, body.workgroup), backwards });
  const random = uniform(seed);
  for (const group of ordered(groups, order, random)) {
    memory.startGroup(group);
    const lanes = Array.from({ length: body.workgroup }, (_, lane) => program.start(group, lane));
    if (program.steps === null) {
      for (const lane of ordered(body.workgroup, order, random)) {
        memory.startLane(lane);
        program.run(lanes[lane]!);
      }
    } else {
      runTogether(body, program, lanes, () => ordered(body.workgroup, order, random), memory);
    }
  }
}

/** Rounds of all lanes from one barrier or subgroup operation to the next. */
function runTogether(
  body: KernelBody,
  program: Program,
  lanes: readonly Lane[],
  orderOfLanes: () => Iterable<number>,
  memory: ReturnType<typeof createMemory>,
): void {
  const generators = lanes.map((lane) => program.steps!(lane));
  for (;;) {
    const pauses: (Pause | null)[] = lanes.map(() => null);
    for (const lane of orderOfLanes()) {
      memory.startLane(lane);
      const step = generators[lane]!.next();
      pauses[lane] = step.done ? null : step.value;
    }
    const first = pauses[0]!;
    const stray = pauses.findIndex((pause) => pause?.at !== first?.at);
    if (stray > 0) {
      const where = (pause: Pause | null): string => (pause === null ? 'has ended' : `is at a ${pause.what}`);
      throw new SimulationError(
        body.name,
        `lanes part at a barrier: lane 0 ${where(first)}, lane ${stray} ${where(pauses[stray]!)} elsewhere`,
      );
    }
    if (first === null) return;
    if (first.what === 'barrier') memory.pass();
    else combine(pauses as Pause[], lanes, program.subgroup);
  }
}

/** Gives each lane the sum, maximum or minimum over its subgroup. */
function combine(pauses: readonly Pause[], lanes: readonly Lane[], size: number): void {
  for (let start = 0; start < lanes.length; start += size) {
    const members = pauses.slice(start, start + size);
    const total = members.map((pause) => pause.value).reduce(members[0]!.combine);
    for (let lane = start; lane < start + members.length; lane += 1) lanes[lane]![members[0]!.slot] = total;
  }
}

function ordered(count: number, order: 'forward' | 'reverse' | 'random', random: () => number): readonly number[] {
  const list = Array.from({ length: count }, (_, index) => (order === 'reverse' ? count - 1 - index : index));
  if (order === 'random') {
    for (let last = count - 1; last > 0; last -= 1) {
      const other = Math.floor(random() * (last + 1));
      [list[last], list[other]] = [list[other]!, list[last]!];
    }
  }
  return list;
}

/** Uniform numbers in [0, 1) from a linear congruence. */
function uniform(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
