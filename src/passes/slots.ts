// When each definition is computed. A forward definition has the latest slot of what it reads; a gradient has the slot of
// the definition it differentiates. A cotangent that is made later than its tensor is a boundary: it is added up over
// layers and micro-batches before the earlier slot's part of the backward pass runs.

import type { Axis, Definition, Program, Scalar, Tensor } from '../ir/ir.ts';
import { axesOf, readsOf, scalarsOf, tensorsOf, visit } from '../ir/visit.ts';

/**
 * static: sizes and parameters; table: positions and what the caller supplies for a sequence; shared: learned tensors of
 * the whole model, once an optimizer step; step: those of a layer's own, once an optimizer step for each layer; layer:
 * everything else.
 */
export type Slot = 'static' | 'table' | 'shared' | 'step' | 'layer';

/** In the order in which they are computed. */
export const slotNames = ['static', 'table', 'shared', 'step', 'layer'] as const satisfies readonly Slot[];

export const isBefore = (a: Slot, b: Slot): boolean => slotNames.indexOf(a) < slotNames.indexOf(b);
const later = (a: Slot, b: Slot): Slot => (isBefore(a, b) ? b : a);

export interface Slots {
  readonly of: ReadonlyMap<Definition, Slot>;
  readonly tensors: ReadonlyMap<Tensor, Slot>;
  /** Gradients that are added up before the slot of the tensor whose cotangent they are. */
  readonly boundaries: ReadonlySet<Definition>;
}

const isTokens = ({ extent }: Axis): boolean => extent === 'tokens' || extent === 'keys';

/** Tables are evaluated on the host: no batch, and not one entry for every two tokens. */
const fitsHost = (axes: readonly Axis[]): boolean =>
  axes.every(({ extent }) => extent !== 'batch') && axes.filter(isTokens).length < 2;

function inputSlot(tensor: Tensor, late: ReadonlySet<Tensor>, once: boolean): Slot {
  const { origin } = tensor;
  if (origin.kind === 'learned') return !once ? 'layer' : origin.shared ? 'shared' : 'step';
  if (late.has(tensor) || !fitsHost(tensor.axes)) return 'layer';
  if (origin.kind === 'draw') return 'table';
  if (origin.kind === 'given') return origin.given === 'position' || origin.given === 'user' ? 'table' : 'layer';
  return 'static';
}

/** Of what a definition computes on its own, whatever it reads. */
function ownSlot(d: Definition): Slot {
  if (!fitsHost(d.tensor.axes) || d.kind === 'triangular') return 'layer';
  let slot: Slot = 'static';
  const roots = scalarsOf(d);
  if ([...d.tensor.axes, ...axesOf(roots)].some(isTokens)) slot = 'table';
  visit(roots, (s) => {
    if (s.kind === 'size') slot = s.size === 'batch' ? 'layer' : later(slot, 'table');
  });
  return slot;
}

export interface SlotOptions {
  /** Inputs whose gradient is asked for, or that come with every call: never on the host. */
  readonly late?: Iterable<Tensor>;
  /** False: what reads learned tensors is computed in every layer's call. */
  readonly once?: boolean;
}

export function assignSlots(program: Program, options: SlotOptions = {}): Slots {
  const late = new Set(options.late ?? []);
  const tensors = new Map<Tensor, Slot>();
  for (const input of program.inputs) tensors.set(input, inputSlot(input, late, options.once ?? true));
  const of = new Map<Definition, Slot>();
  const boundaries = new Set<Definition>();
  for (const d of program.definitions) {
    // A pass may have rebuilt the definition that is differentiated, or dropped it: its tensor, or what it reads, is known.
    const from = d.adjointOf;
    const slot = from === null ? forwardSlot(d, tensors) : (tensors.get(from.tensor) ?? forwardSlot(from, tensors));
    of.set(d, slot);
    tensors.set(d.tensor, slot);
    const { cotangentOf } = d;
    if (cotangentOf !== undefined && isBefore(tensors.get(cotangentOf) ?? 'layer', slot)) boundaries.add(d);
  }
  return { of, tensors, boundaries };
}

function forwardSlot(d: Definition, tensors: ReadonlyMap<Tensor, Slot>): Slot {
  const slot = [...tensorsOf(d)].reduce<Slot>((last, one) => later(last, tensors.get(one) ?? 'layer'), ownSlot(d));
  const isOnce = slot === 'shared' || slot === 'step';
  return isOnce && needsOtherTokens(d) ? 'layer' : slot;
}

/** What is computed once a step is given the tokens of this call alone; a layer keeps what earlier calls left. */
function needsOtherTokens(d: Definition): boolean {
  if (d.kind === 'scan' && isTokens(d.along)) return true;
  const ofThisCall = (index: Scalar): boolean => index.kind === 'axis' && index.axis.extent === 'tokens';
  return readsOf(scalarsOf(d)).some(({ tensor, index }) =>
    tensor.axes.some(({ extent }, n) => extent === 'tokens' && !ofThisCall(index[n]!)),
  );
}
