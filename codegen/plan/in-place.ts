// In place: a rotation or map may take the buffer of what it reads, when it reads each element only where it writes it and
// nothing needs the old values afterwards. Nests in the order they run -> whose buffer each tensor takes.

import type { Tensor } from '../../src/ir/ir.ts';
import { readsOf } from '../../src/ir/visit.ts';
import { madeBy, membersOf, readBy, scalarsOfRoot, type Nest, type Root } from './nest.ts';
import { readsTurned } from './same-point.ts';
import type { TypeOf } from './storage.ts';

export interface InPlaceInput {
  readonly nests: readonly Nest[];
  /** Tensors that other entries or the caller read after this entry. */
  readonly needed: ReadonlySet<Tensor>;
  /** Inputs of the entry whose storage may be taken. */
  readonly mayTake: (tensor: Tensor) => boolean;
  readonly accumulate: ReadonlySet<Tensor>;
  readonly registers: ReadonlySet<Tensor>;
  readonly typeOf: TypeOf;
}

/** For a tensor made in place, the tensor whose buffer it takes. */
export function inPlace(input: InPlaceInput): ReadonlyMap<Tensor, Tensor> {
  const { nests, needed, mayTake, accumulate, registers, typeOf } = input;
  const lastRead = new Map<Tensor, number>();
  const made = new Set<Tensor>();
  nests.forEach((nest, n) => {
    for (const root of membersOf(nest)) for (const tensor of readBy(root)) lastRead.set(tensor, n);
    for (const tensor of madeBy(nest)) made.add(tensor);
  });
  const taken = new Map<Tensor, Tensor>();
  const gone = new Set<Tensor>();
  nests.forEach((nest, n) => {
    if (nest.kind !== 'rows' && nest.kind !== 'scan' && nest.kind !== 'stack') return;
    const own = new Set(madeBy(nest));
    const members = membersOf(nest);
    for (const root of members) {
      const { tensor } = root.definition;
      if (accumulate.has(tensor) || registers.has(tensor)) continue;
      const source = candidates(root).find((from) => {
        if (gone.has(from) || own.has(from) || needed.has(from) || accumulate.has(from)) return false;
        if (!made.has(from) && !mayTake(from)) return false;
        if (lastRead.get(from) !== n || !sameShape(from, tensor) || typeOf(from) !== typeOf(tensor)) return false;
        return members.every(
          (other) =>
            other === root ||
            !readBy(other).has(from) ||
            (nest.kind === 'rows' && (readsHere(other, from, nest) || readsTurned(root, other, from, nest))),
        );
      });
      if (source === undefined) continue;
      taken.set(tensor, source);
      gone.add(source);
    }
  });
  return taken;
}

const sameShape = (a: Tensor, b: Tensor): boolean =>
  a.type === b.type && a.axes.length === b.axes.length && a.axes.every((axis, n) => axis.extent === b.axes[n]!.extent);

/** What a root reads only at the element it writes. */
function candidates(root: Root): readonly Tensor[] {
  const d = root.definition;
  if (d.kind === 'rotate') return readsOf(scalarsOfRoot(root)).some((read) => read.tensor === d.input) ? [] : [d.input];
  if (d.kind !== 'map' && d.kind !== 'softmax' && d.kind !== 'scan') return [];
  const reads = readsOf(scalarsOfRoot(root));
  const tensors = [...new Set(reads.map((read) => read.tensor))];
  return tensors.filter((tensor) =>
    reads.every(
      (read) =>
        read.tensor !== tensor ||
        read.index.every((index, n) => index.kind === 'axis' && index.axis === d.tensor.axes[n]),
    ),
  );
}

/** Another member reads the tensor only in earlier passes than the one that stores: sums over the row, at the point. */
function readsHere(other: Root, tensor: Tensor, nest: Extract<Nest, { kind: 'rows' }>): boolean {
  const d = other.definition;
  if (nest.inner.length === 0 || d.kind !== 'reduce') return false;
  const point = [...d.tensor.axes, ...d.over];
  return readsOf(scalarsOfRoot(other)).every(
    (read) =>
      read.tensor !== tensor || read.index.every((index, n) => index.kind === 'axis' && index.axis === point[n]),
  );
}
