// As what tensors are stored: a program, its roots and the precision asked for -> the type of every tensor, the same in
// all entries, and the buffer of a tensor.

import type { Axis, Program, Scalar, Tensor } from '../../src/ir/ir.ts';
import { readsOf, tensorsOf } from '../../src/ir/visit.ts';
import type { StorageType } from '../kernel.ts';
import { asContraction } from './contract.ts';
import { readBy, scalarsOfRoot, type Root } from './nest.ts';
import type { BufferPlan, PlanOptions } from './plan.ts';
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
 * 3. It is no recurrence, factor of a recurrence, what a triangular system is made of, phase of a rotation, term of a recurrence of phases, nor what a matrix
 *    exponential reads or makes: their errors grow along the sequence, or with the angle.
 * 4. It crosses the border of an entry (input, result, saved), or a matrix product reads it as a factor or makes it, or a
 *    rotation turns it. What else is kept while an entry runs stays f32.
 * 5. Where the last axis holds keys: a matrix product over tokens or keys reads it as a factor (attention, and the
 *    gradient of the scores). Scores, and their gradient before that of the softmax, stay f32.
 *
 * Both factors of a product of two streams are therefore bf16, as tensor cores want them. With options.inside 'f32' only
 * the borders of the program are bf16, so that nothing is rounded that the program goes on with; in place of 4 and 5:
 *
 * 6. It is an input, or a result that no entry reads.
 *
 * Besides, inputs and results that options.narrow names are bf16. Partial sums and carries, which belong to no tensor, are
 * f32.
 */
export function storageTypes({ program, roots, stageOf, options }: TypesInput): TypeOf {
  if (options.precision === 'f32') return (tensor) => (tensor.type === 'real' ? 'f32' : 'i32');
  const exact = new Set(roots.flatMap(exactlyKept));
  const isKept = options.inside === 'f32' ? atBorders(program, roots) : acrossEntries(program, roots, stageOf, options);
  const narrow = new Set<Tensor>(
    options.narrow.flatMap((name) => [
      ...program.inputs.filter((input) => input.name === name),
      ...[program.results.get(name)].filter((tensor) => tensor !== undefined),
    ]),
  );
  const isNarrow = (tensor: Tensor): boolean => {
    if (narrow.has(tensor)) return true;
    if (!isOfTokens(tensor.axes) || !mayRound(tensor) || stageOf(tensor) === 'host' || exact.has(tensor)) return false;
    return isKept(tensor, tensor.axes.at(-1)!.role);
  };
  return (tensor) => (tensor.type !== 'real' ? 'i32' : isNarrow(tensor) ? 'bf16' : 'f32');
}

/** Whether a tensor is kept as bf16 by its last axis and by who makes and reads it. */
type IsKept = (tensor: Tensor, last: Axis['role']) => boolean;

const isFeature = (role: Axis['role']): boolean => role === 'feature' || role === 'model' || role === 'user';

/** Rules 2 and 6. */
function atBorders(program: Program, roots: readonly Root[]): IsKept {
  const read = new Set(roots.flatMap((root) => [...readBy(root)]));
  const borders = new Set([...program.inputs, ...[...program.results.values()].filter((tensor) => !read.has(tensor))]);
  return (tensor, last) => isFeature(last) && borders.has(tensor);
}

/** Rules 2, 4 and 5. */
function acrossEntries(
  program: Program,
  roots: readonly Root[],
  stageOf: TypesInput['stageOf'],
  options: PlanOptions,
): IsKept {
  const crossing = new Set<Tensor>([...program.inputs, ...program.results.values()]);
  for (const root of roots)
    for (const tensor of readBy(root)) if (stageOf(tensor) !== stageOf(root.definition.tensor)) crossing.add(tensor);
  const { streams, overTokens } = inProducts(roots, options);
  return (tensor, last) =>
    last === 'key-token' ? overTokens.has(tensor) : isFeature(last) && (crossing.has(tensor) || streams.has(tensor));
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
  if (d.kind === 'triangular') return [d.tensor, ...readIn([d.factor, d.term])];
  return d.kind === 'matrix' ? [d.tensor, ...tensorsOf(d)] : [];
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
