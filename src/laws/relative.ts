// Proof that scores do not change when all positions shift: each tensor is followed under a shift of every token's
// number and position. It stays, or moves by a known amount (its drift), or is a query or key turned by such an amount;
// equal turns cancel in the product of query and key. Anything else is not known, and there is no proof.

import { keyHead, type AttentionSizes } from '../attention/compose.ts';
import { axis, defined, given } from '../ir/build.ts';
import type { Axis, Definition, Program, Scalar, Tensor } from '../ir/ir.ts';
import { makeKeys } from '../ir/key.ts';
import { at, call, read } from '../ir/scalar.ts';
import { axesOf, operandsOf, readsOf, scalarsOf, substitute, type Read } from '../ir/visit.ts';
import { exponentialProduct, isSkew, multipleOf, type ExponentialProduct, type Made } from './maps.ts';
import { isTokens } from './renumber.ts';
import { isPosition } from './sample.ts';

interface Turn {
  readonly pairs: string; // layout, first feature and number of pairs
  readonly from: number; // features turned: from <= f < to
  readonly to: number;
  readonly drift: Scalar; // over the canonical head and pair
}

/** What a shift does to a tensor. The drift of `moves` is over the tensor's own axes. */
type Effect =
  | { readonly kind: 'stays' }
  | { readonly kind: 'moves'; readonly drift: Scalar }
  | { readonly kind: 'turns'; readonly turns: readonly Turn[] }
  | { readonly kind: 'unknown' };

/** A drift, `stays`, or `unknown`. */
type Shift = Scalar | 'stays' | 'unknown';

interface Proof {
  readonly made: Made;
  readonly effects: Map<Tensor, Effect>;
  readonly sizes: AttentionSizes;
  readonly keys: ReturnType<typeof makeKeys>;
  /** By how much every token's number shifts, and each coordinate of its position. */
  readonly amount: Scalar;
  readonly coordinates: Map<Tensor, Tensor>;
  readonly head: Axis;
  readonly pair: Axis; // also the feature of a matrix, whose column is `column`
  readonly column: Axis;
}

const stays: Effect = { kind: 'stays' };
const unknown: Effect = { kind: 'unknown' };

/** The reason, or null where there is no proof. */
export function proveRelative(program: Program, sizes: AttentionSizes): string | null {
  const proof: Proof = {
    made: new Map(program.definitions.map((d) => [d.tensor, d])),
    effects: new Map(),
    sizes,
    keys: makeKeys(),
    amount: read(given('shift', [], 'scalar', 'integer'), []),
    coordinates: new Map(),
    head: axis('h', sizes.heads, 'head'),
    pair: axis('p', sizes.head_dim, 'pair'),
    column: axis('c', sizes.head_dim, 'feature'),
  };
  for (const d of program.definitions) proof.effects.set(d.tensor, effectOf(d, proof));
  const results = ['score', 'attention'].flatMap((name) => program.results.get(name) ?? []);
  if (!results.every((tensor) => effect(tensor, proof).kind === 'stays')) return null;
  const turned = program.definitions.some((d) => effect(d.tensor, proof).kind === 'turns');
  return turned
    ? 'a shift turns query and key alike, and nothing else reads a position but as a difference'
    : 'scores read positions, if at all, as differences';
}

const effect = (tensor: Tensor, proof: Proof): Effect => proof.effects.get(tensor) ?? stays;

function effectOf(d: Definition, proof: Proof): Effect {
  if (d.kind === 'rotate') return turnOf(d, proof);
  if (d.kind === 'reduce' && d.op === 'sum') {
    if (cancels(d, proof)) return stays;
    const product = exponentialProduct(d, proof.made);
    if (product !== null) return exponentialTurn(d, product, proof);
    return summed(d, shiftOf(d.body, proof));
  }
  if (d.kind === 'map') return asEffect(shiftOf(d.body, proof));
  if (d.kind === 'triangular') {
    // Its first row is a token, which shifts with all others.
    const begins = shiftOf(d.from, proof);
    const isToken = begins !== 'stays' && begins !== 'unknown' && isSame(begins, proof.amount, proof);
    const alike = isTokens(d.along) ? isToken : begins === 'stays';
    return alike && [d.factor, d.term].every((s) => shiftOf(s, proof) === 'stays') ? stays : unknown;
  }
  const operands = operandsOf(d).every((tensor) => effect(tensor, proof).kind === 'stays');
  return operands && scalarsOf(d).every((s) => shiftOf(s, proof) === 'stays') ? stays : unknown;
}

const isSame = (a: Scalar, b: Scalar, { keys }: Proof): boolean => keys.scalar(a) === keys.scalar(b);

function asEffect(shift: Shift): Effect {
  if (shift === 'stays') return stays;
  return shift === 'unknown' ? unknown : { kind: 'moves', drift: shift };
}

/** The drift of a sum is a sum of drifts: a tensor that stands for it, over the axes that are no tokens. */
function summed(d: Extract<Definition, { kind: 'reduce' }>, shift: Shift): Effect {
  if (typeof shift === 'string') return asEffect(shift);
  const used = axesOf(shift);
  if (d.over.some(isTokens) || d.tensor.axes.some((axis) => used.has(axis) && isTokens(axis))) return unknown;
  if (readsOf(shift).some(({ tensor }) => tensor.axes.some(isTokens))) return unknown;
  const axes = d.tensor.axes.filter((axis) => !isTokens(axis) && axis.role !== 'batch');
  return { kind: 'moves', drift: read(defined(`drift_${d.tensor.name}`, axes), axes.map(at)) };
}

function shiftOf(s: Scalar, proof: Proof): Shift {
  switch (s.kind) {
    case 'constant':
    case 'size':
      return 'stays';
    case 'axis':
      return isTokens(s.axis) ? proof.amount : 'stays';
    case 'read':
      return shiftOfRead(s, proof);
    case 'call':
      return shiftOfCall(s, proof);
    default:
      return s satisfies never;
  }
}

function shiftOfRead(s: Read, proof: Proof): Shift {
  for (const [k, axis] of s.tensor.axes.entries()) {
    const index = s.index[k]!;
    // Which token is read is said by indices alone; any other index must stay what it is.
    if (isTokens(axis) ? readsOf(index).length > 0 : shiftOf(index, proof) !== 'stays') return 'unknown';
  }
  if (isPosition(s.tensor)) return shiftOfPosition(s, proof);
  const found = effect(s.tensor, proof);
  if (found.kind === 'stays') return 'stays';
  if (found.kind !== 'moves') return 'unknown';
  return substitute(found.drift, new Map(s.tensor.axes.map((axis, k) => [axis, s.index[k]!])));
}

function shiftOfPosition(s: Read, proof: Proof): Shift {
  const axes = s.tensor.axes.slice(1);
  if (axes.length === 0) return proof.amount;
  const known = proof.coordinates.get(s.tensor) ?? given('shift_of_position', axes, 'scalar');
  proof.coordinates.set(s.tensor, known);
  return read(known, s.index.slice(1));
}

function shiftOfCall(s: Extract<Scalar, { kind: 'call' }>, proof: Proof): Shift {
  const shifts = s.args.map((arg) => shiftOf(arg, proof));
  if (shifts.every((shift) => shift === 'stays')) return 'stays';
  if (shifts.includes('unknown')) return 'unknown';
  const [a, b = 'stays'] = shifts as [Scalar | 'stays', (Scalar | 'stays')?];
  const equal = a !== 'stays' && b !== 'stays' && proof.keys.scalar(a) === proof.keys.scalar(b);
  switch (s.op) {
    case 'real':
      return a;
    case 'negate':
      return a === 'stays' ? a : call('negate', a);
    case 'subtract':
      if (equal) return 'stays';
      return a === 'stays' ? call('negate', b as Scalar) : b === 'stays' ? a : call('subtract', a, b);
    case 'add':
      return a === 'stays' ? b : b === 'stays' ? a : call('add', a, b);
    case 'multiply':
      if (a !== 'stays' && b !== 'stays') return 'unknown';
      return a === 'stays' ? call('multiply', b as Scalar, s.args[0]!) : call('multiply', a, s.args[1]!);
    case 'divide':
      return a !== 'stays' && b === 'stays' ? call('divide', a, s.args[1]!) : 'unknown';
    case 'less':
    case 'less_equal':
    case 'equal':
    case 'not_equal':
      return equal ? 'stays' : 'unknown';
    default:
      return 'unknown';
  }
}

/** A rotation by a phase that moves by the same for every token turns its tensor by that. */
function turnOf(d: Extract<Definition, { kind: 'rotate' }>, proof: Proof): Effect {
  const before = effect(d.input, proof);
  const shift = shiftOf(d.phase, proof);
  if (shift === 'unknown' || before.kind === 'unknown' || before.kind === 'moves') return unknown;
  const pairs = d.pair.extent as number;
  const plane = { pairs: `${d.layout} ${d.from} ${pairs}`, from: d.from, to: d.from + 2 * pairs };
  // What was turned before may only be turned on in the same pairs, or elsewhere: else the two do not commute.
  const turned = before.kind === 'turns' ? before.turns : [];
  const commutes = turned.every((t) => t.pairs === plane.pairs || t.to <= plane.from || plane.to <= t.from);
  if (!commutes) return unknown;
  if (shift === 'stays') return before;
  const head = d.tensor.axes[2];
  if (head === undefined) return unknown;
  const canonical = new Map<Axis, Scalar>([
    [head, at(proof.head)],
    [d.pair, at(proof.pair)],
  ]);
  const signed = d.sign === 1 ? shift : call('negate', shift);
  const depends = [...axesOf(signed)].some((axis) => !canonical.has(axis));
  if (depends || readsOf(signed).some(({ tensor }) => tensor.axes.some((axis) => isTokens(axis)))) return unknown;
  return { kind: 'turns', turns: [...turned, { ...plane, drift: substitute(signed, canonical) }] };
}

/** exp((a + shift) A) = exp(shift A) exp(a A): a product with a skew A turns by shift A, whatever the token. */
function exponentialTurn(d: Definition, product: ExponentialProduct, proof: Proof): Effect {
  const before = effect(product.input, proof);
  const multiple = multipleOf(product.expm, proof.made);
  const generator = proof.made.get(product.expm.input);
  const head = d.tensor.axes[2];
  const upright = product.matrix.index.at(-1);
  if (before.kind !== 'stays' || multiple === null || generator === undefined || head === undefined) return unknown;
  if (!(upright?.kind === 'axis' && upright.axis === product.column)) return unknown; // transposed
  const shift = shiftOf(multiple.number, proof);
  if (shift === 'stays') return stays;
  if (shift === 'unknown' || !isSkew(product.expm, proof.made)) return unknown;
  const canonical = new Map<Axis, Scalar>([
    [head, at(proof.head)],
    [product.feature, at(proof.pair)],
    [product.column, at(proof.column)],
  ]);
  const places = product.matrix.index.map((index) => substitute(index, canonical));
  const moved = call('multiply', shift, multiple.matrix);
  const drift = substitute(moved, new Map(generator.tensor.axes.map((axis, k) => [axis, places[k]!])));
  const allowed = new Set([proof.head, proof.pair, proof.column]);
  const depends = [...axesOf(drift)].some((axis) => !allowed.has(axis));
  if (depends || readsOf(drift).some(({ tensor }) => tensor.axes.some((axis) => isTokens(axis)))) return unknown;
  const pairs = `matrices of ${String(generator.tensor.axes.at(-1)!.extent)}`;
  return { kind: 'turns', turns: [{ pairs, from: 0, to: proof.sizes.head_dim, drift }] };
}

/** The product of a query and a key that turn alike: what the turns do to one they do to the other. */
function cancels(d: Extract<Definition, { kind: 'reduce' }>, proof: Proof): boolean {
  if (d.body.kind !== 'call' || d.body.op !== 'multiply') return false;
  const [query, key] = d.body.args;
  if (query?.kind !== 'read' || key?.kind !== 'read') return false;
  const [left, right] = [effect(query.tensor, proof), effect(key.tensor, proof)];
  if (left.kind !== 'turns' || right.kind !== 'turns' || left.turns.length !== right.turns.length) return false;
  const [feature] = d.over;
  const whole = [query, key].every(({ index }) => {
    const last = index.at(-1);
    return last?.kind === 'axis' && last.axis === feature;
  });
  if (!whole || d.over.length !== 1) return false;
  // A key head turns as each of the query heads that share it.
  const shared = new Map([[proof.head, keyHead(at(proof.head), proof.sizes)]]);
  return left.turns.every((turn, n) => {
    const other = right.turns[n]!;
    const drift = substitute(other.drift, shared);
    return turn.pairs === other.pairs && proof.keys.scalar(turn.drift) === proof.keys.scalar(drift);
  });
}
