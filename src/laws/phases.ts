// How large the angle of each rotation gets at the longest position, and how far float32 is off there. Angles that
// the host computes in float64 are exact: what kernels get are their sines and cosines.

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
  readonly error: number; // radians; 0 where the host computes it
}

type Rotate = Extract<Definition, { kind: 'rotate' }>;

const tokens = 8; // looked at, the last ones of the context

/** One entry for each rotation; none where the caller gives coordinates, whose size nobody knows. */
export function phaseErrors(encoding: CheckedEncoding, program: Program): readonly PhaseError[] {
  if (program.inputs.some((tensor) => isPosition(tensor) && tensor.axes.length > 1)) return [];
  const slots = assignSlots(program);
  const rotations = program.definitions.filter((d): d is Rotate => d.kind === 'rotate');
  return rotations.map((d) => {
    const onHost = readsOf(d.phase).every(({ tensor }) => {
      const slot = slots.tensors.get(tensor);
      return slot === 'static' || slot === 'table';
    });
    const { context } = encoding.geometry;
    const angle = largestAngle(program, d, context);
    const error = onHost ? 0 : angle * 2 ** -24;
    return { span: d.span, target: d.tensor, position: context - 1, angle, error };
  });
}

function largestAngle(program: Program, d: Rotate, context: number): number {
  const needed = ancestors(program, d);
  const domain = [...d.tensor.axes.slice(0, -1), d.pair];
  const fresh = domain.map((a) => axis(a.name, a.extent, a.role));
  const body = substitute(d.phase, new Map(domain.map((a, k) => [a, at(fresh[k] as Axis)])));
  const angle = defined('angle_of_rotation', fresh);
  const definitions = [...program.definitions.filter((one) => needed.has(one)), map(angle, body)];
  const count = Math.min(tokens, context);
  const offset = context - count;
  const late = renumber({ ...program, definitions }, { stretch: 1, offset });
  const sample = sampleInputs(program, { seed: 1, tokens: count, learned: 'initial', positions: 'range' });
  const inputs = { ...sample.inputs };
  for (const tensor of program.inputs.filter(isPosition)) {
    inputs[tensor.name] = inputs[tensor.name]!.map((value) => value + offset);
  }
  const values = interpret(late, sample.sizes, inputs).get(angle.name)!;
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  // A running sum has seen only the tokens looked at.
  const runs = [...needed].some((one) => one.kind === 'scan');
  return runs ? (largest * context) / count : largest;
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
