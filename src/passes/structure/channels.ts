// scale * (q[i] . k[j]) + sum over r of (a[i, r] b[j, r]) is one product of longer rows: a / scale is put behind the features
// of the query, b behind those of the key. So no second tensor with a value for each query and key is made, and gradients of
// a and b come with those of query and key.
//
// It is worth it where the sum has a value for every sequence, head, query and key (what is the same for all sequences or
// heads is cheaper made once), and more terms than are written out where they are read. In strips the second product never
// leaves a cache, and the longer rows would: there it is left.

import { axis, defined, map, reduce } from '../../ir/build.ts';
import type { Axis, Definition, Program, Scalar, Tensor } from '../../ir/ir.ts';
import { at, call, integer, read, real } from '../../ir/scalar.ts';
import { axesOf, freshAxes, substitute, visit } from '../../ir/visit.ts';
import { readersOf, visibleTensors, withDefinitions } from '../pass.ts';
import { uniqueNames } from '../unique.ts';
import type { Rewrite, Seen } from './rewrites.ts';
import { rowOf, termsOf } from './row.ts';
import type { SignedTerm, SoftmaxRow } from './row.ts';

/** As many terms are written out where a sum is read (codegen/plan/place.ts). */
const writtenOut = 8;

type Sum = Extract<Definition, { kind: 'reduce' }>;

/** coefficient * sum over one axis of query * key, at a point of the row; `sum` is read there and nowhere else. */
interface Product {
  readonly sum: Sum;
  readonly over: Axis;
  readonly terms: number;
  readonly query: Scalar;
  readonly key: Scalar;
}

export const channels: Rewrite = (program, { blockwise }) => {
  let current = program;
  const seen: Seen[] = [];
  for (const d of program.definitions) {
    const row = d.kind === 'softmax' ? rowOf(current, d) : null;
    const found = row === null ? null : extended(current, row, blockwise);
    if (found === null) continue;
    current = found.program;
    seen.push(found.seen);
  }
  return { program: current, seen };
};

function extended(program: Program, row: SoftmaxRow, blockwise: boolean): { program: Program; seen: Seen } | null {
  const readers = readersOf(program);
  const visible = visibleTensors(program);
  const sums = new Map<Tensor, Sum>();
  for (const d of program.definitions) {
    const mine = d.kind === 'reduce' && d.op === 'sum' && !visible.has(d.tensor);
    if (mine && readers.get(d.tensor)?.length === 1) sums.set(d.tensor, d);
  }
  const terms = termsOf(row.body, row);
  const products = terms.map((term) => productOf(term, row, sums));
  const base = products.findIndex((product) => product !== null && isBase(product));
  const plain = products[base] ?? null;
  if (plain === null) return null;
  const more = products.filter(
    (product): product is Product =>
      product !== null && product !== plain && product.terms > writtenOut && fits(product, plain),
  );
  if (more.length === 0) return null;
  const count = more.reduce((all, one) => all + one.terms, 0);
  const names = more.map(({ sum }) => sum.tensor.name).join(', ');
  const say = (applied: boolean, text: string): Seen => ({
    rewrite: 'channels',
    applied,
    tensor: row.name,
    span: row.span,
    text,
  });
  if (blockwise) return { program, seen: say(false, `${names} stays a product of its own: strips keep it in a cache`) };
  const changed = widened(program, row, terms, products, plain, more);
  return { program: changed, seen: say(true, `${names} becomes ${count} channels more of query and key`) };
}

/** Null where a term is no such product. */
function productOf({ scalar, sign }: SignedTerm, row: SoftmaxRow, sums: ReadonlyMap<Tensor, Sum>): Product | null {
  const factors = factorsOf(scalar);
  const at_ = factors.findIndex((s) => s.kind === 'read' && sums.has(s.tensor));
  const one = factors[at_];
  if (one?.kind !== 'read' || !one.index.every((s) => s.kind === 'axis')) return null;
  const sum = sums.get(one.tensor)!;
  const [over, ...others] = sum.over;
  if (over === undefined || others.length > 0 || typeof over.extent !== 'number') return null;
  const body = substitute(sum.body, new Map(sum.tensor.axes.map((own, n) => [own, one.index[n]!])));
  const all = [...factors.toSpliced(at_, 1), ...factorsOf(body), ...(sign === 1 ? [] : [real(-1)])];
  const sides: { query: Scalar; key: Scalar } = { query: real(1), key: real(1) };
  for (const factor of all) {
    const used = axesOf(factor);
    const ofKey = used.has(row.over);
    if ((ofKey && [...used].some((own) => row.queries.has(own))) || usesSizes(factor)) return null;
    const side = ofKey ? 'key' : 'query';
    sides[side] = call('multiply', sides[side], factor);
  }
  if (!axesOf(sides.query).has(over) || !axesOf(sides.key).has(over)) return null;
  return { sum, over, terms: over.extent, ...sides };
}

/** Factors of a product; a negation is the factor -1, division by a constant its inverse. */
function factorsOf(s: Scalar): Scalar[] {
  if (s.kind !== 'call' || s.type !== 'real') return [s];
  const [a, b] = s.args;
  if (s.op === 'multiply') return [...factorsOf(a!), ...factorsOf(b!)];
  if (s.op === 'negate') return [real(-1), ...factorsOf(a!)];
  if (s.op === 'divide' && b!.kind === 'constant' && b!.value !== 0) return [real(1 / b!.value), ...factorsOf(a!)];
  return [s];
}

function usesSizes(s: Scalar): boolean {
  let found = false;
  visit(s, (one) => {
    found ||= one.kind === 'size';
  });
  return found;
}

/** The product that attention makes: a constant times two reads. */
const isBase = ({ query, key }: Product): boolean => scaleOf(query) !== null && key.kind === 'read';

/** constant * read, or a read. */
function scaleOf(s: Scalar): { scale: number; read: Extract<Scalar, { kind: 'read' }> } | null {
  if (s.kind === 'read') return { scale: 1, read: s };
  if (s.kind !== 'call') return null;
  const [a, b] = s.args;
  if (s.op === 'negate') {
    const inner = scaleOf(a!);
    return inner === null ? null : { ...inner, scale: -inner.scale };
  }
  if (s.op !== 'multiply') return null;
  const [constant, other] = a!.kind === 'constant' ? [a, b] : [b, a];
  const inner = constant!.kind === 'constant' ? scaleOf(other!) : null;
  return inner === null || constant!.kind !== 'constant' ? null : { ...inner, scale: inner.scale * constant!.value };
}

/** It has a value for every point of the base, and its key's side one for each key head at most. */
function fits(product: Product, base: Product): boolean {
  const key = axesOf(base.key);
  const own = axesOf(product.key);
  const heads = base.sum.tensor.axes.filter(({ role }) => role === 'head');
  const shared = base.key.kind === 'read' && base.key.index.some((s) => s.kind === 'call');
  if (shared && [...own].some(({ role }) => role === 'head')) return false;
  if (heads.length > 1) return false;
  return (
    product.sum.tensor.axes.length === base.sum.tensor.axes.length &&
    [...own].every((one) => key.has(one) || one === product.over)
  );
}

function widened(
  program: Program,
  row: SoftmaxRow,
  terms: readonly SignedTerm[],
  products: readonly (Product | null)[],
  base: Product,
  more: readonly Product[],
): Program {
  const unique = uniqueNames(program);
  const { scale, read: query } = scaleOf(base.query)!;
  const key = base.key as Extract<Scalar, { kind: 'read' }>;
  const features = base.terms;
  const width = more.reduce((all, one) => all + one.terms, features);
  const side = (
    from: Extract<Scalar, { kind: 'read' }>,
    name: string,
    partOf: (one: Product) => Scalar,
  ): Definition => {
    const { axes } = freshAxes(from.tensor.axes.slice(0, -1));
    const wide = axis('d', width, 'feature');
    // The row's axes by this tensor's own; an index `h div g` stands for the key head itself.
    const by = new Map<Axis, Scalar>();
    from.index.forEach((s, n) => {
      if (s.kind === 'axis' && n < axes.length) by.set(s.axis, at(axes[n]!));
    });
    let first = width;
    let body: Scalar | null = null;
    for (const one of more.toReversed()) {
      first -= one.terms;
      const channel = call('subtract', at(wide), integer(first));
      const value = substitute(partOf(one), new Map([...by, [one.over, channel]]));
      body = body === null ? value : call('select', call('less', at(wide), integer(first + one.terms)), value, body);
    }
    const old = read(from.tensor, [...axes.map(at), at(wide)]);
    const all = call('select', call('less', at(wide), integer(features)), old, body!);
    return map(defined(unique(name), [...axes, wide]), all, row.span);
  };
  const wideQuery = side(query, `${query.tensor.name}_wide`, (one) => call('multiply', real(1 / scale), one.query));
  const wideKey = side(key, `${key.tensor.name}_wide`, (one) => one.key);
  const channel = axis('d', width, 'feature');
  const own = freshAxes(row.axes);
  const at_ = (from: Scalar, wide: Tensor): Scalar =>
    from.kind === 'read'
      ? read(wide, [...from.index.slice(0, -1).map((s) => substitute(s, own.by)), at(channel)])
      : from;
  const product = call('multiply', at_(query, wideQuery.tensor), at_(key, wideKey.tensor));
  const sum = reduce('sum', defined(unique(`${base.sum.tensor.name}_wide`), own.axes), [channel], product);
  let body = call('multiply', real(scale), read(sum.tensor, row.axes.map(at)));
  terms.forEach(({ scalar, sign }, n) => {
    const gone = products[n];
    if (gone === base || (gone !== null && more.includes(gone!))) return;
    body = call(sign === 1 ? 'add' : 'subtract', body, scalar);
  });
  return withDefinitions(
    program,
    program.definitions.flatMap((d) =>
      d === row.home ? [wideQuery, wideKey, sum, Object.freeze({ ...d, body: row.inHome(body) }) as Definition] : [d],
    ),
  );
}
