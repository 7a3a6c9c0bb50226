// exp(s A) with A = P - P^T turns pairs of features by s w in a basis of A's own: A = U C U^T, where C is zero outside of its
// 2 x 2 diagonal blocks [[0, -w], [w, 0]]. Where query and key are only read by their products, q exp(s A)^T exp(s' A) k is
// (U^T q) exp(s C)^T exp(s' C) (U^T k), so that the projections to query and key learn U^T with all else that they learn, and
// A may be taken canonical at once (STRING, Schenck et al. 2025, theorem 3.4). P keeps its name, shape and initial formula;
// query and key turn by s (P[2k + 1, 2k] - P[2k, 2k + 1]), and no other element of P is read.
//
// For a canonical A nothing changes; for another one it is the same model with other weights. So it is done only where asked
// for, and must not be where something else knows the basis of query and key: a norm of them behind their projections, or
// biases of theirs.

import { axis, defined, map } from '../../ir/build.ts';
import type { Axis, Definition, Program, Scalar, Tensor } from '../../ir/ir.ts';
import { makeKeys } from '../../ir/key.ts';
import { normaliser } from '../../ir/normalise.ts';
import { makeContext } from '../../ir/ranges.ts';
import { at, call, integer, real } from '../../ir/scalar.ts';
import { axesOf, freshAxes, readsOf, substitute } from '../../ir/visit.ts';
import type { Read } from '../../ir/visit.ts';
import { isSkew } from '../../laws/maps.ts';
import type { Made } from '../../laws/maps.ts';
import { readersOf, visibleTensors, withDefinitions } from '../pass.ts';
import { uniqueNames } from '../unique.ts';
import { blockProduct, isAxis, turned } from './block-products.ts';
import type { BlockProduct } from './block-products.ts';
import type { Rewrite, Seen } from './rewrites.ts';

/** number * (P[.., row, column] - P[.., column, row]), over the axes of the generator of an exponential. */
interface Form {
  readonly learned: Tensor;
  readonly number: Scalar;
  readonly difference: Scalar;
  readonly index: readonly Scalar[]; // of P, without row and column
  readonly axes: readonly Axis[]; // of the generator, without row and column
  readonly row: Axis;
  readonly column: Axis;
  /** From the generator back to what reads P. */
  readonly parts: ReadonlySet<Definition>;
}

/** A product of query or key with the exponential of such a generator. */
interface Use {
  readonly d: Definition;
  readonly product: BlockProduct;
  readonly form: Form;
}

export const generators: Rewrite = (program) => {
  const made: Made = new Map(program.definitions.map((d) => [d.tensor, d]));
  const seen: Seen[] = [];
  const say = ({ tensor, span }: Definition, applied: boolean, text: string): void => {
    seen.push({ rewrite: 'generators', applied, tensor: tensor.name, span, text });
  };
  const families = new Map<Tensor, Use[]>();
  for (const d of program.definitions) {
    const product = blockProduct(d, made);
    if (product === null || product.features <= 2 || !isSkew(product.expm, made)) continue;
    const form = formOf(product, made);
    if (form === null)
      say(d, false, `${product.expm.input.name} is no number times one learned matrix less its transpose`);
    else families.set(form.learned, [...(families.get(form.learned) ?? []), { d, product, form }]);
  }
  const unique = uniqueNames(program);
  const changed = new Map<Definition, readonly Definition[]>();
  for (const [learned, uses] of families) {
    const reason = whyNot(program, made, learned, uses);
    const rotations = reason === null ? turnAll(uses, unique) : null;
    if (rotations === null) {
      say(
        uses[0]!.d,
        false,
        `${learned.name} is no rotation of pairs: ${reason ?? 'a matrix depends on more than its block'}`,
      );
      continue;
    }
    for (const [d, now] of rotations) changed.set(d, now);
    const text = `${learned.name} less its transpose is taken canonical: pairs turn, in a basis that the projections learn`;
    for (const { d } of uses) say(d, true, text);
  }
  if (changed.size === 0) return { program, seen };
  const definitions = program.definitions.flatMap((d) => changed.get(d) ?? [d]);
  return { program: withDefinitions(program, definitions), seen };
};

/** Null where the generator is something else. */
function formOf({ expm }: BlockProduct, made: Made): Form | null {
  const generator = made.get(expm.input);
  if (generator?.kind !== 'map') return null;
  const [row, column] = generator.tensor.axes.slice(-2) as [Axis, Axis];
  const axes = generator.tensor.axes.slice(0, -2);
  const parts = new Set<Definition>([generator]);
  let number: Scalar = real(1);
  let rest = generator.body;
  for (;;) {
    const next = apart(rest, row, column);
    number = call('multiply', number, next.number);
    const from = next.matrix.kind === 'read' ? made.get(next.matrix.tensor) : undefined;
    rest = next.matrix;
    if (from?.kind !== 'map' || rest.kind !== 'read') break;
    parts.add(from);
    const { index } = rest;
    rest = substitute(from.body, new Map(from.tensor.axes.map((own, n) => [own, index[n]!])));
  }
  if ([...axesOf(number)].some((one) => one === row || one === column)) return null;
  if (rest.kind !== 'call' || rest.op !== 'subtract') return null;
  const [one, other] = rest.args as [Scalar, Scalar];
  if (!isElement(one, row, column) || !isElement(other, row, column)) return null;
  const swapped = substitute(
    one,
    new Map([
      [row, at(column)],
      [column, at(row)],
    ]),
  );
  const keys = makeKeys();
  if (keys.scalar(swapped) !== keys.scalar(other)) return null;
  const matrices = new Set([one.tensor, ...[...parts].map((d) => d.tensor)]);
  if (readsOf(number).some(({ tensor }) => matrices.has(tensor))) return null;
  const index = one.index.filter((s) => !isAxis(s, row) && !isAxis(s, column));
  return { learned: one.tensor, number, difference: rest, index, axes, row, column, parts };
}

/** number * matrix, where the number depends on neither row nor column. */
function apart(s: Scalar, row: Axis, column: Axis): { number: Scalar; matrix: Scalar } {
  const isNumber = (one: Scalar): boolean => !axesOf(one).has(row) && !axesOf(one).has(column);
  if (s.kind === 'call' && s.type === 'real') {
    const [a, b] = s.args as [Scalar, Scalar];
    const with_ = (inner: Scalar, change: (number: Scalar) => Scalar) => {
      const { number, matrix } = apart(inner, row, column);
      return { number: change(number), matrix };
    };
    if (s.op === 'negate') return with_(a, (number) => call('negate', number));
    if (s.op === 'multiply' && isNumber(a)) return with_(b, (number) => call('multiply', a, number));
    if (s.op === 'multiply' && isNumber(b)) return with_(a, (number) => call('multiply', number, b));
    if (s.op === 'divide' && isNumber(b)) return with_(a, (number) => call('divide', number, b));
  }
  return { number: real(1), matrix: s };
}

/** An element of a trained matrix at row and column, the same matrix for all tokens. */
function isElement(s: Scalar, row: Axis, column: Axis): s is Read {
  if (s.kind !== 'read' || s.outside !== null) return false;
  const { origin } = s.tensor;
  if (origin.kind !== 'learned' || !origin.trained) return false;
  const places = [row, column].map((one) => s.index.filter((each) => isAxis(each, one)).length);
  const others = s.index.filter((each) => !isAxis(each, row) && !isAxis(each, column));
  const free = [...axesOf(others)].every((one) => typeof one.extent === 'number' && one !== row && one !== column);
  return places.every((count) => count === 1) && free;
}

/** What knows the basis of query and key, or why there is none of pairs; null: nothing. */
function whyNot(program: Program, made: Made, learned: Tensor, uses: readonly Use[]): string | null {
  const { features } = uses[0]!.product;
  if (features % 2 !== 0) return `of ${features} features one has no partner`;
  const readers = readersOf(program);
  const visible = visibleTensors(program);
  const own = new Map(uses.map((use) => [use.d.tensor, use]));
  const seenOutside = [...own.keys()].find((tensor) => visible.has(tensor));
  if (seenOutside !== undefined) return `${seenOutside.name} is asked for`;

  const reader = otherReader(learned, { readers, visible, own });
  if (reader !== null) return reader;
  for (const { product } of uses) {
    const { input } = product;
    const isRaw = input.origin.kind === 'given' && (input.origin.given === 'query' || input.origin.given === 'key');
    if (!isRaw)
      return `what it turns, ${input.name}, is ${made.has(input) ? 'changed before' : 'neither query nor key'}`;
    const all = readers.get(input) ?? [];
    if (all.length !== 1 || visible.has(input)) return `${input.name} is read besides`;
  }
  for (const { d } of uses) {
    const all = readers.get(d.tensor) ?? [];
    if (all.length === 0) return `nothing reads ${d.tensor.name}`;
    const other = all.find((one) => !isProduct(one, own));
    if (other !== undefined) return `${other.tensor.name} reads ${d.tensor.name}, and is no product of query and key`;
  }
  return null;
}

interface Around {
  readonly readers: ReadonlyMap<Tensor, readonly Definition[]>;
  readonly visible: ReadonlySet<Tensor>;
  readonly own: ReadonlyMap<Tensor, Use>;
}

/** Who reads the matrix, or what is made of it, besides the maps of query and key. */
function otherReader(tensor: Tensor, around: Around): string | null {
  if (around.visible.has(tensor)) return `${tensor.name} is asked for`;
  for (const d of around.readers.get(tensor) ?? []) {
    if (around.own.has(d.tensor)) continue;
    if (!isPart(d, around)) return `${d.tensor.name} reads ${tensor.name} too`;
    const reader = otherReader(d.tensor, around);
    if (reader !== null) return reader;
  }
  return null;
}

/** A step from the matrix to the maps; behind the exponential only another name, or its transpose. */
const isPart = (d: Definition, { own }: Around): boolean =>
  [...own.values()].some(
    ({ form, product: { expm } }) =>
      form.parts.has(d) || d === expm || (d.kind === 'map' && d.body.kind === 'read' && d.body.tensor === expm.tensor),
  );

/** The sum over all features of query times key, both turned by the same matrices. */
function isProduct(d: Definition, own: ReadonlyMap<Tensor, Use>): boolean {
  if (d.kind !== 'reduce' || d.op !== 'sum' || d.over.length !== 1) return false;
  if (d.body.kind !== 'call' || d.body.op !== 'multiply') return false;
  const [a, b] = d.body.args as [Scalar, Scalar];
  if (a.kind !== 'read' || b.kind !== 'read') return false;
  const [feature] = d.over as [Axis];
  const whole = (one: Read): boolean =>
    one.outside === null &&
    isAxis(one.index.at(-1)!, feature) &&
    one.tensor.axes.at(-1)!.extent === feature.extent &&
    !axesOf(one.index.slice(0, -1)).has(feature);
  const [left, right] = [own.get(a.tensor), own.get(b.tensor)];
  if (left === undefined || right === undefined || !whole(a) || !whole(b)) return false;
  if (left.product.input === right.product.input) return false;
  const keys = makeKeys();
  const [one, other] = [placeOf(left, a), placeOf(right, b)].map((index) => index.map((s) => keys.scalar(s)));
  return one!.length === other!.length && one!.every((key, n) => key === other![n]);
}

/** Which matrix the element of the turned tensor that is read was turned by. */
function placeOf({ d, product, form }: Use, element: Read): readonly Scalar[] {
  const ofElement = new Map(d.tensor.axes.map((own, n) => [own, element.index[n]!]));
  const ofMatrix = new Map(form.axes.map((own, n) => [own, substitute(product.matrix.index[n]!, ofElement)]));
  const normalise = normaliser(makeContext());
  return form.index.map((s) => normalise(substitute(s, ofMatrix)));
}

/** Each use as a rotation, the first of an exponential with its phase before it; null where one cannot be. */
function turnAll(
  uses: readonly Use[],
  unique: (name: string) => string,
): ReadonlyMap<Definition, readonly Definition[]> | null {
  const result = new Map<Definition, readonly Definition[]>();
  const phases = new Map<Tensor, Tensor>();
  for (const use of uses) {
    const { expm } = use.product;
    const known = phases.get(expm.tensor);
    const phase = known === undefined ? phaseOf(use, unique(`${expm.tensor.name}_phase`)) : null;
    const rotation = turned(use.d, use.product, known ?? phase!.tensor);
    if (rotation === null) return null;
    result.set(use.d, phase === null ? [rotation] : [phase, rotation]);
    phases.set(expm.tensor, known ?? phase!.tensor);
  }
  return result;
}

/** number * (P[2k + 1, 2k] - P[2k, 2k + 1]) over the axes of the exponential but row and column, and pairs k. */
function phaseOf({ product: { expm, features }, form }: Use, name: string): Definition {
  const { row, column } = form;
  const { axes, by } = freshAxes(form.axes);
  const pair = axis('k', features / 2);
  const even = call('multiply', integer(2), at(pair));
  const element = new Map<Axis, Scalar>([...by, [row, call('add', even, integer(1))], [column, even]]);
  const body = call('multiply', substitute(form.number, by), substitute(form.difference, element));
  return map(defined(name, [...axes, pair]), body, expm.span);
}
