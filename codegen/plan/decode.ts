// The decode entry: the forward roots once more, for the tokens from `first` on. What earlier calls left behind comes in
// buffers that the caller keeps: rows of tensors that are read at other tokens (history, `capacity` rows), and the last
// values of recurrences. Prefill is the same entry with more tokens and first = 0.

import { at, call, defined, given, integer, map, read, readAt, size } from '../../src/ir/build.ts';
import type { Axis, Definition, Program, Scalar, Tensor } from '../../src/ir/ir.ts';
import { likeAxis, mapScalar, mapScalars, readsOf, substitute, visit, type Read } from '../../src/ir/visit.ts';
import { forAllKeys, type Before } from './decode-length.ts';
import { scalarsOfRoot, type Root } from './nest.ts';
import type { BufferPlan } from './plan.ts';
import { bufferOf, type TypeOf } from './storage.ts';
import { runtimeSize } from './size.ts';

export interface Decode {
  readonly roots: readonly Root[];
  /** Tensors that earlier calls left rows of. */
  readonly history: ReadonlySet<Tensor>;
  /** Made here, in buffers that the caller keeps. */
  readonly state: ReadonlySet<Tensor>;
  /** The carry into a recurrence. */
  readonly carries: ReadonlyMap<Tensor, Tensor>;
  /** Copies of inputs that are read at other tokens, and the input. */
  readonly copyOf: ReadonlyMap<Tensor, Tensor>;
  /** Tensors that share the buffer of another: a carry out is the carry in of the next call. */
  readonly sameBuffer: ReadonlyMap<Tensor, Tensor>;
}

const isTokens = (axis: Axis): boolean => axis.extent === 'tokens';
const isKeys = (axis: Axis): boolean => axis.extent === 'keys';

/** An index that is not the reader's own token. */
const isElsewhere = (tensor: Tensor, index: readonly Scalar[]): boolean =>
  tensor.axes.some((axis, n) => isTokens(axis) && !(index[n]!.kind === 'axis' && isTokens(index[n]!.axis)));

/** null: the program is neither attention nor a change of x, or looks ahead in a way that no state can serve. */
export function asDecode(
  program: Program,
  forward: readonly Root[],
  before: Before,
  isHost: (tensor: Tensor) => boolean,
): Decode | null {
  const isQuery = ({ origin }: Tensor): boolean => origin.kind === 'given' && origin.given === 'query';
  // Attention may go without a query: it has the results of its links then.
  const isAttention = program.inputs.some(isQuery) || program.results.has('query_encoded');
  if (!isAttention && !program.results.has('x_encoded')) return null;
  if (forward.some(({ definition }) => looksAhead(definition))) return null;
  const roots = forAllKeys(forward, before, isElsewhere);
  const made = new Set(roots.map((root) => root.definition.tensor));
  const history = new Set<Tensor>();
  for (const root of roots) {
    const d = root.definition;
    // Its rows are made of those before them.
    if (d.kind === 'triangular' && isTokens(d.along)) history.add(d.tensor);
    for (const each of readsOf(scalarsOfRoot(root))) if (isElsewhere(each.tensor, each.index)) history.add(each.tensor);
  }
  const caches = new Map<Tensor, Tensor>();
  const copies: Root[] = [];
  for (const tensor of history) {
    if (made.has(tensor) || isHost(tensor)) continue;
    const axes = tensor.axes.map(likeAxis);
    const cache = defined(`${tensor.name}_cache`, axes, tensor.type);
    caches.set(tensor, cache);
    copies.push(plainRoot(map(cache, readAt(tensor, axes))));
  }
  const cached = (root: Root): Root => ({
    ...root,
    definition: mapScalars(root.definition, (scalar) => mapScalar(scalar, (s) => fromCache(s, caches))),
  });
  const carries = new Map<Tensor, Tensor>();
  const sameBuffer = new Map<Tensor, Tensor>();
  const lasts: Root[] = [];
  const body = roots.map((root) => (caches.size === 0 ? root : cached(root)));
  for (const { definition: d } of body) {
    if (d.kind !== 'scan' || !isTokens(d.along)) continue;
    const axes = d.tensor.axes.filter((axis) => axis !== d.along);
    const carry = given(`${d.tensor.name}_carry`, axes.map(likeAxis), 'operand');
    const out = defined(`${d.tensor.name}_last`, axes);
    carries.set(d.tensor, carry);
    sameBuffer.set(out, carry);
    lasts.push(plainRoot(map(out, lastOf(d))));
  }
  for (const [tensor, cache] of caches) {
    history.delete(tensor);
    history.add(cache);
  }
  const state = new Set([...history].filter((tensor) => made.has(tensor) || [...caches.values()].includes(tensor)));
  for (const out of sameBuffer.keys()) state.add(out);
  const copyOf = new Map([...caches].map(([tensor, cache]) => [cache, tensor]));
  return { roots: [...copies, ...body, ...lasts], history, state, carries, copyOf, sameBuffer };
}

const plainRoot = (definition: Definition): Root => ({ definition, hints: new Map(), turn: null, periodic: false });

function fromCache(s: Scalar, caches: ReadonlyMap<Tensor, Tensor>): Scalar | null {
  if (s.kind !== 'read' || !isElsewhere(s.tensor, s.index)) return null;
  const cache = caches.get(s.tensor);
  return cache === undefined ? null : read(cache, s.index, s.outside);
}

/** What a recurrence carries on after the last token of a call. */
function lastOf(d: Extract<Definition, { kind: 'scan' }>): Scalar {
  const last = call('subtract', call('add', size('first'), size('tokens')), integer(1));
  const index = d.tensor.axes.map((axis) => (axis === d.along ? last : at(axis)));
  const value = read(d.tensor, index);
  if (!d.exclusive) return value;
  const there = (scalar: Scalar): Scalar => substitute(scalar, new Map([[d.along, last]]));
  return call('add', call('multiply', there(d.factor), value), there(d.term));
}

/** A reduction over this call's tokens, a recurrence from the end, or a read of a later token. */
function looksAhead(d: Definition): boolean {
  if ((d.kind === 'scan' || d.kind === 'triangular') && d.reverse && isTokens(d.along)) return true;
  if ((d.kind === 'reduce' || d.kind === 'scatter') && d.over.some(isTokens)) return true;
  const scalars = d.kind === 'rotate' ? [d.phase] : d.kind === 'matrix' ? [] : scalarsIn(d);
  return readsOf(scalars).some((each) => isElsewhere(each.tensor, each.index) && readsLater(each));
}

const scalarsIn = (d: Definition): readonly Scalar[] => scalarsOfRoot(plainRoot(d));

function readsLater({ tensor, index }: Read): boolean {
  let later = false;
  const places = index.filter((_, n) => isTokens(tensor.axes[n]!) || isKeys(tensor.axes[n]!));
  visit(places, (s) => {
    if (s.kind !== 'call' || s.op !== 'add') return;
    const [a, b] = s.args as [Scalar, Scalar];
    const isStep = (x: Scalar, y: Scalar): boolean =>
      x.kind === 'axis' && isTokens(x.axis) && !(y.kind === 'constant' && y.value <= 0);
    if (isStep(a, b) || isStep(b, a)) later = true;
  });
  return later;
}

/**
 * Buffers of the decode entry: history has `capacity` rows of tokens and of keys, so that the next call finds each where this
 * one left it; a host table's history has a name of its own. What a recurrence carries for each key is kept alike.
 */
export function decodeBuffer(
  decode: Decode,
  isHost: (tensor: Tensor) => boolean,
  typeOf: TypeOf,
): (tensor: Tensor) => BufferPlan {
  const known = new Map<Tensor, BufferPlan>();
  const carried = new Set(decode.carries.values());
  const make = (tensor: Tensor): BufferPlan => {
    const shared = decode.sameBuffer.get(tensor);
    if (shared !== undefined) return buffer(shared);
    const type = typeOf(decode.copyOf.get(tensor) ?? tensor);
    const isKept = decode.history.has(tensor) || (carried.has(tensor) && tensor.axes.some(isKeys));
    if (!isKept) return bufferOf(tensor, tensor.name, type);
    const name = isHost(tensor) ? `${tensor.name}_history` : tensor.name;
    const rows = tensor.axes.map((axis) => (isTokens(axis) || isKeys(axis) ? 'capacity' : axis.extent));
    const own = bufferOf(tensor, name, type);
    const shape = own.shape.map((each, n) => (rows[n] === 'capacity' ? runtimeSize('capacity') : each));
    return {
      ...own,
      shape,
      rows: 'history',
      comment: `${name} [${rows.join(', ')}]${type === 'bf16' ? ' bf16' : ''}, rows of earlier tokens kept`,
    };
  };
  const buffer = (tensor: Tensor): BufferPlan => {
    const made = known.get(tensor) ?? make(tensor);
    known.set(tensor, made);
    return made;
  };
  return buffer;
}
