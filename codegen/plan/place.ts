// Which definitions have a buffer of their own (roots) and which are evaluated where they are read. A definition is
// inlined when computing it at every use costs less than writing it once and reading it back.

import type { Axis, Definition, Program, Tensor } from '../../src/ir/ir.ts';
import { domainOf, operandsOf, readsOf, scalarsOf } from '../../src/ir/visit.ts';
import { weightOf } from './cost.ts';
import type { PlanOptions } from './plan.ts';
import { nominal } from './size.ts';
import type { Stage } from './stages.ts';
import type { Turn } from './tabulate.ts';

/** Floating-point operations that cost as much as moving a byte. */
const balance = 8;
/** A static reduction of at most so many terms is written out where it is read. */
const unrolled = 8;
/** Points of a matrix product that share what a lane loads. */
const tileReuse = 4;

const pointsIn = (axes: readonly Axis[]): number => axes.reduce((all, axis) => all * nominal(axis.extent), 1);

function termsOf(d: Definition): number | null {
  if (d.kind !== 'reduce') return null;
  return d.over.reduce<number | null>(
    (all, { extent }) => (all === null || typeof extent !== 'number' ? null : all * extent),
    1,
  );
}

export interface PlaceInput {
  readonly program: Program;
  readonly stages: ReadonlyMap<Definition, Stage>;
  readonly turns: ReadonlyMap<Definition, Turn>;
  readonly options: PlanOptions;
}

export function place({ program, stages, turns, options }: PlaceInput): ReadonlySet<Tensor> {
  const roots = new Set<Tensor>(program.results.values());
  const evaluations = new Map<Tensor, number>();
  const readers = new Map<Tensor, Definition[]>();
  for (const d of program.definitions.toReversed()) {
    const stage = stages.get(d);
    if (stage === 'host') {
      roots.add(d.tensor);
      continue;
    }
    if (!roots.has(d.tensor) && mustBeRoot(d)) roots.add(d.tensor);
    const count = evaluations.get(d.tensor) ?? 0;
    const forced = options.root.includes(d.tensor.name) || crosses(d, readers.get(d.tensor) ?? [], stages);
    const cheap = options.inline.includes(d.tensor.name) || isCheaper(d, count, readers.get(d.tensor) ?? []);
    if (!roots.has(d.tensor) && (forced || !cheap)) roots.add(d.tensor);
    const own = roots.has(d.tensor)
      ? pointsIn(domainOf(d)) / (isProduct(d) ? tileReuse : 1)
      : count * (termsOf(d) ?? 1);
    // Both kernels of a scan evaluate it; wide kernels rather make it once, beside the rotations of what it reads.
    const passes = d.kind === 'softmax' || (d.kind === 'scan' && options.access === 16) ? 2 : 1;
    for (const operand of operandsOf(d)) roots.add(operand);
    const turn = turns.get(d);
    for (const read of readsOf(turn === undefined ? scalarsOf(d) : [turn.cos, turn.sin])) {
      evaluations.set(read.tensor, (evaluations.get(read.tensor) ?? 0) + own * passes);
      readers.set(read.tensor, [...(readers.get(read.tensor) ?? []), d]);
    }
  }
  return roots;
}

function mustBeRoot(d: Definition): boolean {
  if (d.kind === 'map') return false;
  if (d.kind !== 'reduce' || d.op === 'argmax') return true;
  return (termsOf(d) ?? Infinity) > unrolled;
}

/** What a layer adds up for the once-a-step part must be a buffer. */
function crosses(d: Definition, readers: readonly Definition[], stages: ReadonlyMap<Definition, Stage>): boolean {
  const own = stages.get(d);
  return (own === 'backward' || own === 'finish') && readers.some((reader) => isAfter(stages.get(reader), own));
}

const isAfter = (stage: Stage | undefined, own: 'backward' | 'finish'): boolean =>
  stage === 'shared_finish' || (stage === 'finish' && own === 'backward');

/** A sum of products over axes that two factors share is a matrix product. */
function isProduct(d: Definition): boolean {
  return d.kind === 'reduce' && d.op === 'sum' && d.body.kind === 'call' && d.body.op === 'multiply';
}

function isCheaper(d: Definition, evaluations: number, readers: readonly Definition[]): boolean {
  const points = pointsIn(d.tensor.axes);
  const uses = evaluations / points;
  const terms = termsOf(d) ?? 1;
  const weight = (weightOf(scalarsOf(d)) + (d.kind === 'reduce' ? 1 : 0)) * terms;
  const read = new Set(readers.flatMap((reader) => readsOf(scalarsOf(reader)).map((each) => each.tensor)));
  const bytes = 4 * readsOf(scalarsOf(d)).filter((each) => !read.has(each.tensor)).length * terms;
  return uses * (weight + balance * bytes) <= weight + balance * (bytes + 4 + 4 * uses);
}
