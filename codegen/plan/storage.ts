// Where the tensors of an entry lie, and as what: the storage type of every tensor, and in place: a rotation or map may
// take the buffer of what it reads, when it reads each element only where it writes it and nothing needs the old values
// afterwards.

import type { Axis, Program, Scalar, Tensor } from '../../src/ir/ir.ts';
import { readsOf, tensorsOf } from '../../src/ir/visit.ts';
import type { StorageType } from '../kernel.ts';
import { asContraction } from './contract.ts';
import { madeBy, membersOf, readBy, scalarsOfRoot, type Nest, type Root } from './nest.ts';
import type { BufferPlan, PlanOptions } from './plan.ts';
import { readsTurned } from './same-point.ts';
import { extentSize } from './size.ts';
import type { Stage } from './stages.ts';

export type TypeOf = (tensor: Tensor) => StorageType;

export function bufferOf(tensor: Tensor, name: string, type: StorageType): BufferPlan {
  const shape = tensor.axes.map((axis) => extentSize(axis.extent));
  const comment = `${name} [${tensor.axes.map((axis) => axis.extent).join(', ')}]${type === 'bf16' ? ' bf16' : ''}`;
  return { name, tensor, shape, type, rows: 'window', comment };
}

export interface TypesInput {
  /** Forward and backward together. */
  readonly program: Program;
  readonly roots: readonly Root[];
  readonly stageOf: (tensor: Tensor) => Stage | undefined;
  readonly options: PlanOptions;
}

/**
 * The storage type of each tensor, the same in all entries. With precision bf16 a real tensor is bf16 when all hold:
 *
 * 1. It has a batch axis and an axis of tokens or keys: what is learned, tables, and values of a row stay f32.
 * 2. Its last axis holds features, a model's width or numbers of the user's own, or it holds keys (5). Pairs, heads and
 *    tokens come last in phases, gates, means and losses: f32.
 * 3. It is no recurrence, factor of a recurrence, phase of a rotation, term of a recurrence of phases, nor what a matrix
 *    exponential reads or makes: their errors grow along the sequence, or with the angle.
 * 4. It crosses the border of an entry (input, result, saved), or a matrix product reads it as a factor or makes it, or a
 *    rotation turns it. What else is kept while an entry runs stays f32.
 * 5. Where the last axis holds keys: a matrix product over tokens or keys reads it as a factor (attention, and the
 *    gradient of the scores). Scores, and their gradient before that of the softmax, stay f32.
 *
 * Besides, inputs and results that options.narrow names are bf16. Both factors of a product of two streams are therefore
 * bf16, as tensor cores want them. Partial sums and carries, which belong to no tensor, are f32.
 */
export function storageTypes({ program, roots, stageOf, options }: TypesInput): TypeOf {
  if (options.precision === 'f32') return (tensor) => (tensor.type === 'real' ? 'f32' : 'i32');
  const crossing = new Set<Tensor>([...program.inputs, ...program.results.values()]);
  for (const root of roots)
    for (const tensor of readBy(root)) if (stageOf(tensor) !== stageOf(root.definition.tensor)) crossing.add(tensor);
  const exact = new Set(roots.flatMap(exactlyKept));
  const { streams, overTokens } = inProducts(roots, options);
  const narrow = new Set<Tensor>(
    options.narrow.flatMap((name) => [
      ...program.inputs.filter((input) => input.name === name),
      ...[program.results.get(name)].filter((tensor) => tensor !== undefined),
    ]),
  );
  const isNarrow = (tensor: Tensor): boolean => {
    if (narrow.has(tensor)) return true;
    if (!isOfTokens(tensor.axes) || !mayRound(tensor) || stageOf(tensor) === 'host' || exact.has(tensor)) return false;
    const last = tensor.axes.at(-1)!.role;
    if (last === 'key-token') return overTokens.has(tensor);
    return (last === 'feature' || last === 'model' || last === 'user') && (crossing.has(tensor) || streams.has(tensor));
  };
  return (tensor) => (tensor.type !== 'real' ? 'i32' : isNarrow(tensor) ? 'bf16' : 'f32');
}

const isOfTokens = (axes: readonly Axis[]): boolean =>
  axes.some(({ extent }) => extent === 'batch') && axes.some(({ extent }) => extent === 'tokens' || extent === 'keys');

/** Positions, draws and what the user gives are kept as they come. */
function mayRound({ origin }: Tensor): boolean {
  if (origin.kind === 'given') return !['position', 'user', 'scalar'].includes(origin.given);
  return origin.kind === 'defined';
}

/** What a root makes or reads that rounding would spoil. */
function exactlyKept(root: Root): readonly Tensor[] {
  const d = root.definition;
  const readIn = (scalars: readonly Scalar[]): Tensor[] => readsOf(scalars).map((read) => read.tensor);
  if (d.kind === 'rotate') return readIn(scalarsOfRoot(root));
  if (d.kind === 'scan') return [d.tensor, ...readIn(root.periodic ? [d.factor, d.term] : [d.factor])];
  return d.kind === 'expm' ? [d.tensor, ...tensorsOf(d)] : [];
}

/**
 * streams: factors and results of matrix products, and what rotations turn. overTokens: factors of products that sum over
 * tokens or keys. A product is one however few terms it has, and whether or not options make it a kernel of its own.
 */
function inProducts(roots: readonly Root[], options: PlanOptions) {
  const streams = new Set<Tensor>();
  const overTokens = new Set<Tensor>();
  for (const root of roots) {
    const d = root.definition;
    if (d.kind === 'rotate') [d.tensor, d.input].forEach((tensor) => streams.add(tensor));
    const product = d.kind === 'reduce' ? asContraction(root, { ...options, contract: 'always' }) : null;
    if (product === null) continue;
    streams.add(d.tensor);
    for (const factor of [product.left, product.right]) {
      if (factor.kind !== 'read') continue;
      streams.add(factor.tensor);
      if (product.over.some(({ role }) => role === 'token' || role === 'key-token')) overTokens.add(factor.tensor);
    }
  }
  return { streams, overTokens };
}

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
