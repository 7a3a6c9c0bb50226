// How large the angle of each rotation gets at the longest position, and how far off it is there in float32, bf16 and f16:
// as it is stored, and as the sum that runs up to it. Angles that the host computes in float64 are exact: what kernels get
// are their sines and cosines.

import type { Span } from '../../grammar/span.ts';
import type { CheckedEncoding } from '../check/checked.ts';
import { interpret } from '../interpret/interpret.ts';
import { axis, defined, map } from '../ir/build.ts';
import type { Axis, Definition, Program, Tensor } from '../ir/ir.ts';
import { at } from '../ir/scalar.ts';
import { operandsOf, readsOf, scalarsOf, substitute } from '../ir/visit.ts';
import { assignSlots } from '../passes/slots.ts';
import { renumber } from './renumber.ts';
import { isPosition, sampleInputs } from './sample.ts';

export interface PhaseError {
  readonly span: Span | null; // of the rotation
  readonly target: Tensor;
  readonly position: number; // the longest
  readonly angle: number; // radians, the largest there
  /** Radians, with kernels as they are: float32; 0 where the host computes it. */
  readonly error: number;
  /** Radians, were the angle itself kept so. */
  readonly stored: Readonly<Record<AngleStorage, number>>;
}

export const angleStorages = ['float32', 'bf16', 'f16'] as const;
export type AngleStorage = (typeof angleStorages)[number];

/** Binary digits of a number, the leading one included. */
const digits: Readonly<Record<AngleStorage, number>> = { float32: 24, bf16: 8, f16: 11 };
const largestHalf = 65504;

/** The nearest number of a storage: what is left of x when its high part is split off (Veltkamp). */
export function roundTo(storage: AngleStorage, x: number): number {
  if (storage === 'float32') return Math.fround(x);
  const scaled = x * (2 ** (53 - digits[storage]) + 1);
  const rounded = scaled - (scaled - x);
  return storage === 'f16' && Math.abs(rounded) > largestHalf ? Infinity * Math.sign(x) : rounded;
}

/** How far a running sum in a storage is off at its worst, over so many steps of these sizes, again and again. */
export function runningError(storage: AngleStorage, steps: readonly number[], count: number): number {
  let [exact, rounded, worst] = [0, 0, 0];
  for (let n = 0; n < count; n++) {
    const step = steps[n % steps.length]!;
    exact += step;
    rounded = roundTo(storage, rounded + step);
    worst = Math.max(worst, Math.abs(rounded - exact));
  }
  return worst;
}

type Rotate = Extract<Definition, { kind: 'rotate' }>;

const tokens = 8; // looked at, the last ones of the context

/** One entry for each rotation; none where the caller gives coordinates, whose size nobody knows. */
export function phaseErrors(
  encoding: CheckedEncoding,
  program: Program,
  position = encoding.geometry.context - 1,
): readonly PhaseError[] {
  if (program.inputs.some((tensor) => isPosition(tensor) && tensor.axes.length > 1)) return [];
  const slots = assignSlots(program);
  const rotations = program.definitions.filter((d): d is Rotate => d.kind === 'rotate');
  return rotations.map((d) => {
    const onHost = readsOf(d.phase).every(({ tensor }) => {
      const slot = slots.tensors.get(tensor);
      return slot === 'static' || slot === 'table';
    });
    const { largest: angle, walks } = anglesOf(program, d, position + 1);
    const stored = Object.fromEntries(
      angleStorages.map((storage) => {
        const kept = storage === 'f16' && angle > largestHalf ? Infinity : angle * 2 ** -digits[storage];
        const running = walks.map((steps) => runningError(storage, steps, position + 1));
        return [storage, kept + Math.max(0, ...running)];
      }),
    ) as Record<AngleStorage, number>;
    return { span: d.span, target: d.tensor, position, angle, error: onHost ? 0 : stored.float32, stored };
  });
}

/** Rows whose running sums are tried. */
const triedWalks = 2;

interface Angles {
  readonly largest: number;
  /** The steps, a token each, of the sums that run furthest; none where nothing runs. */
  readonly walks: readonly (readonly number[])[];
}

function anglesOf(program: Program, d: Rotate, length: number): Angles {
  const needed = ancestors(program, d);
  const domain = [...d.tensor.axes.slice(0, -1), d.pair];
  const fresh = domain.map((a) => axis(a.name, a.extent, a.role));
  const body = substitute(d.phase, new Map(domain.map((a, k) => [a, at(fresh[k] as Axis)])));
  const angle = defined('angle_of_rotation', fresh);
  const definitions = [...program.definitions.filter((one) => needed.has(one)), map(angle, body)];
  const count = Math.min(tokens, length);
  const offset = length - count;
  const late = renumber({ ...program, definitions }, { stretch: 1, offset });
  const sample = sampleInputs(program, { seed: 1, tokens: count, learned: 'initial', positions: 'range' });
  const inputs = { ...sample.inputs };
  for (const tensor of program.inputs.filter(isPosition)) {
    inputs[tensor.name] = inputs[tensor.name]!.map((value) => value + offset);
  }
  const values = interpret(late, sample.sizes, inputs).get(angle.name)!;
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (![...needed].some((one) => one.kind === 'scan')) return { largest, walks: [] };
  // A running sum has seen only the tokens looked at. [b, t, h, p], one sequence
  const row = values.length / count;
  const rows = Array.from({ length: row }, (_, r) => Array.from({ length: count }, (__, t) => values[t * row + r]!));
  const furthest = rows.toSorted((a, b) => Math.abs(b.at(-1)!) - Math.abs(a.at(-1)!)).slice(0, triedWalks);
  const walks = furthest.map((sums) => sums.map((sum, t) => sum - (sums[t - 1] ?? 0)));
  return { largest: (largest * length) / count, walks };
}

/** The definitions that a phase is computed from. */
function ancestors(program: Program, d: Rotate): ReadonlySet<Definition> {
  const needed = new Set<Definition>();
  const wanted = new Set<Tensor>(readsOf(d.phase).map((read) => read.tensor));
  for (const one of [...program.definitions].reverse()) {
    if (!wanted.has(one.tensor)) continue;
    needed.add(one);
    for (const tensor of operandsOf(one)) wanted.add(tensor);
    for (const read of readsOf(scalarsOf(one))) wanted.add(read.tensor);
  }
  return needed;
}
