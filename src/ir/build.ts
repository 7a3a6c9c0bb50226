// Constructors of axes, tensors, definitions and programs: each checks ranks, types and scopes at once and returns a
// frozen object. A thrown Error is a bug in the caller. Scalars come from scalar.ts and are exported again here.

import type { Span } from '../../grammar/span.ts';
import type { Axis, Definition, Extent, Given, Origin, Program, Role, Rule, Scalar, Site, Tensor, Type } from './ir.ts';
import { call, integer, real } from './scalar.ts';
import { axesOf, domainOf, scalarsOf, tensorsOf } from './visit.ts';

export { at, boolean, call, integer, read, readAt, real, size } from './scalar.ts';

/** Always a new object: two axes are the same only by identity. */
export function axis(name: string, extent: Extent, role: Role = 'user'): Axis {
  if (typeof extent === 'number' && !(Number.isInteger(extent) && extent > 0)) {
    throw new Error(`axis '${name}' has extent ${extent}`);
  }
  return Object.freeze({ name, extent, role });
}

function tensor(name: string, axes: readonly Axis[], type: Type, origin: Origin): Tensor {
  if (new Set(axes).size !== axes.length) throw new Error(`an axis occurs twice in '${name}'`);
  return Object.freeze({ name, axes: Object.freeze([...axes]), type, origin: Object.freeze(origin) });
}

/** A tensor that the caller supplies at each call. */
export const given = (name: string, axes: readonly Axis[], kind: Given, type: Type = 'real'): Tensor =>
  tensor(name, axes, type, { kind: 'given', given: kind });

export interface LearnedOptions {
  readonly shared: boolean;
  readonly trained: boolean;
  readonly initial: Scalar; // over the tensor's axes
}

/** A tensor stored with the model. */
export function learned(name: string, axes: readonly Axis[], options: LearnedOptions): Tensor {
  inScope(name, [options.initial], axes);
  return tensor(name, axes, 'real', { kind: 'learned', ...options, axes: Object.freeze([...axes]) });
}

/** A random tensor, fresh for each step and sequence; `axes` begins with the batch, `initial` is over the others. */
export function drawn(name: string, axes: readonly Axis[], initial: Scalar, type: Type = 'real'): Tensor {
  if (axes[0]?.extent !== 'batch') throw new Error(`the first axis of '${name}' is not the batch`);
  inScope(name, [initial], axes.slice(1));
  return tensor(name, axes, type, { kind: 'draw', initial: asType(initial, type), axes: Object.freeze([...axes]) });
}

/** A tensor that a definition makes. */
export const defined = (name: string, axes: readonly Axis[], type: Type = 'real'): Tensor =>
  tensor(name, axes, type, { kind: 'defined' });

function inScope(name: string, scalars: readonly Scalar[], axes: readonly Axis[]): void {
  const known = new Set(axes);
  for (const used of axesOf(scalars)) {
    if (!known.has(used)) throw new Error(`'${name}' uses axis '${used.name}', which it is not over`);
  }
}

function typed(name: string, what: string, scalar: Scalar, wanted: Type): void {
  const fits = scalar.type === wanted || (wanted === 'real' && scalar.type === 'integer');
  if (!fits) throw new Error(`the ${what} of '${name}' is ${scalar.type}, not ${wanted}`);
}

/** Integers become reals where a real tensor is made. */
const asType = (scalar: Scalar, wanted: Type): Scalar =>
  wanted === 'real' && scalar.type === 'integer' ? call('real', scalar) : scalar;

/** A definition of any rule, with its scopes and types checked. */
export function define(
  made: Tensor,
  rule: Rule,
  more: { span?: Span | null; adjointOf?: Definition | null; cotangentOf?: Tensor } = {},
): Definition {
  if (made.origin.kind !== 'defined') throw new Error(`'${made.name}' is ${made.origin.kind}, not defined`);
  const definition: Definition = Object.freeze({
    tensor: made,
    span: more.span ?? null,
    adjointOf: more.adjointOf ?? null,
    ...(more.cotangentOf === undefined ? {} : { cotangentOf: more.cotangentOf }),
    ...rule,
  });
  const domain = domainOf(definition);
  if (new Set(domain).size !== domain.length) throw new Error(`an axis occurs twice in the domain of '${made.name}'`);
  inScope(made.name, scalarsOf(definition), domain);
  checkRule(definition);
  return definition;
}

function checkRule(d: Definition): void {
  const { name, axes, type } = d.tensor;
  const fail = (why: string): never => {
    throw new Error(`'${name}': ${why}`);
  };
  if (d.kind !== 'map' && !(d.kind === 'reduce' && d.op === 'argmax') && type !== 'real') {
    fail(`${d.kind} makes a real tensor, not ${type}`);
  }
  switch (d.kind) {
    case 'map':
      if (d.body.type !== type) fail(`the body is ${d.body.type}, not ${type}`);
      return;
    case 'reduce':
      if (d.over.length === 0) fail('reduces over no axis');
      if (d.op === 'argmax' && (d.over.length !== 1 || type !== 'integer'))
        fail('argmax makes an integer over one axis');
      return typed(name, 'body', d.body, 'real');
    case 'scan':
      if (!axes.includes(d.along)) fail(`scans along '${d.along.name}', which it is not over`);
      typed(name, 'factor', d.factor, 'real');
      return typed(name, 'term', d.term, 'real');
    case 'triangular':
      if (!axes.includes(d.along)) fail(`is solved along '${d.along.name}', which it is not over`);
      if (axes.includes(d.other)) fail(`is over '${d.other.name}', which its factors run over`);
      inScope(name, [d.term], axes);
      inScope(
        name,
        [d.from],
        axes.filter((one) => one !== d.along),
      );
      typed(name, 'first step', d.from, 'integer');
      typed(name, 'factor', d.factor, 'real');
      return typed(name, 'term', d.term, 'real');
    case 'scatter':
      if (d.over.length === 0) fail('scatters over no axis');
      if (d.index.length !== axes.length) fail(`scatters to ${d.index.length} indices of ${axes.length}`);
      d.index.forEach((index) => typed(name, 'index', index, 'integer'));
      return typed(name, 'body', d.body, 'real');
    case 'softmax':
      if (!axes.includes(d.over)) fail(`softmax over '${d.over.name}', which it is not over`);
      typed(name, 'condition', d.where, 'boolean');
      return typed(name, 'body', d.body, 'real');
    case 'rotate':
      return checkRotate(d, fail);
    case 'matrix':
      return checkMatrix(d, fail);
    default:
      return d satisfies never;
  }
}

const sameExtents = (a: readonly Axis[], b: readonly Axis[]): boolean =>
  a.length === b.length && a.every((one, n) => one.extent === b[n]!.extent);

function checkRotate(d: Extract<Definition, { kind: 'rotate' }>, fail: (why: string) => never): void {
  const features = d.tensor.axes.at(-1)?.extent;
  const pairs = d.pair.extent;
  if (!sameExtents(d.tensor.axes, d.input.axes)) fail(`has other axes than '${d.input.name}'`);
  if (typeof features !== 'number' || typeof pairs !== 'number') return fail('features and pairs have no fixed number');
  if (!(Number.isInteger(d.from) && d.from >= 0)) fail(`rotates from feature ${d.from}`);
  if (d.from + 2 * pairs > features) fail(`${pairs} pairs from feature ${d.from} do not fit ${features} features`);
  typed(d.tensor.name, 'phase', d.phase, 'real');
}

function checkMatrix(d: Extract<Definition, { kind: 'matrix' }>, fail: (why: string) => never): void {
  const [row, column] = d.tensor.axes.slice(-2);
  if (!sameExtents(d.tensor.axes, d.input.axes)) fail(`has other axes than '${d.input.name}'`);
  if (d.cotangent !== null && !sameExtents(d.tensor.axes, d.cotangent.axes)) fail('the cotangent has other axes');
  if (d.cotangent !== null && d.function === 'inverse') fail('the adjoint of an inverse is made of sums');
  if (row === undefined || column === undefined || typeof row.extent !== 'number' || row.extent !== column.extent) {
    fail('is not over square matrices of a fixed size');
  }
}

export const map = (made: Tensor, body: Scalar, span: Span | null = null): Definition =>
  define(made, { kind: 'map', body: asType(body, made.type) }, { span });

export const reduce = (
  op: 'sum' | 'prod' | 'argmax',
  made: Tensor,
  over: readonly Axis[],
  body: Scalar,
  span: Span | null = null,
): Definition =>
  define(made, { kind: 'reduce', op, over: Object.freeze([...over]), body: asType(body, 'real') }, { span });

export interface ScanOptions {
  readonly along: Axis;
  readonly reverse?: boolean;
  readonly exclusive?: boolean;
  readonly factor?: Scalar; // 1 by default: a cumulative sum
  readonly term?: Scalar; // 0 by default: a cumulative product
  readonly initial?: 0 | 1;
}

export function scan(made: Tensor, options: ScanOptions, span: Span | null = null): Definition {
  const { along, reverse = false, exclusive = false, factor = real(1), term = real(0), initial = 0 } = options;
  const scalars = { factor: asType(factor, 'real'), term: asType(term, 'real') };
  return define(made, { kind: 'scan', along, reverse, exclusive, ...scalars, initial }, { span });
}

export interface TriangularOptions {
  readonly along: Axis;
  readonly other: Axis;
  readonly reverse?: boolean;
  readonly from?: Scalar; // 0 by default: all rows
  readonly factor: Scalar;
  readonly term: Scalar;
}

export function triangular(made: Tensor, options: TriangularOptions, span: Span | null = null): Definition {
  const { along, other, reverse = false, from = integer(0), factor, term } = options;
  const scalars = { from, factor: asType(factor, 'real'), term: asType(term, 'real') };
  return define(made, { kind: 'triangular', along, other, reverse, ...scalars }, { span });
}

export const scatter = (
  made: Tensor,
  over: readonly Axis[],
  index: readonly Scalar[],
  body: Scalar,
  span: Span | null = null,
): Definition =>
  define(
    made,
    { kind: 'scatter', over: Object.freeze([...over]), index: Object.freeze([...index]), body: asType(body, 'real') },
    { span },
  );

export const softmax = (made: Tensor, over: Axis, where: Scalar, body: Scalar, span: Span | null = null): Definition =>
  define(made, { kind: 'softmax', over, where, body: asType(body, 'real') }, { span });

export interface RotateOptions {
  readonly input: Tensor;
  readonly phase: Scalar; // over the tensor's axes but the last, and `pair`
  readonly pair: Axis;
  readonly sign?: 1 | -1;
  readonly layout?: 'split' | 'interleaved';
  readonly from?: number;
}

export function rotate(made: Tensor, options: RotateOptions, span: Span | null = null): Definition {
  const { input, phase, pair, sign = 1, layout = 'split', from = 0 } = options;
  return define(made, { kind: 'rotate', input, phase: asType(phase, 'real'), pair, sign, layout, from }, { span });
}

export const expm = (
  made: Tensor,
  input: Tensor,
  cotangent: Tensor | null = null,
  span: Span | null = null,
): Definition => define(made, { kind: 'matrix', function: 'expm', input, cotangent }, { span });

export const inverse = (made: Tensor, input: Tensor, span: Span | null = null): Definition =>
  define(made, { kind: 'matrix', function: 'inverse', input, cotangent: null }, { span });

export interface ProgramParts {
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly definitions: readonly Definition[];
  readonly sites?: readonly Site[];
  readonly results: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;
}

/** A program: names unique, definitions in topological order, results known. */
export function program(parts: ProgramParts): Program {
  const { name, inputs, definitions, sites = [] } = parts;
  const results: ReadonlyMap<string, Tensor> =
    parts.results instanceof Map ? parts.results : new Map(Object.entries(parts.results));
  const names = new Set<string>();
  const known = new Set<Tensor>();
  const add = (t: Tensor): void => {
    if (names.has(t.name)) throw new Error(`two tensors of ${name} are called '${t.name}'`);
    names.add(t.name);
    known.add(t);
  };
  for (const input of inputs) {
    if (input.origin.kind === 'defined') throw new Error(`the input '${input.name}' of ${name} is defined elsewhere`);
    add(input);
  }
  for (const d of definitions) {
    for (const used of tensorsOf(d)) {
      if (!known.has(used)) throw new Error(`'${d.tensor.name}' reads '${used.name}', which is not made before it`);
    }
    add(d.tensor);
  }
  for (const [key, made] of results) {
    if (!known.has(made)) throw new Error(`the result '${key}' of ${name} is made nowhere`);
  }
  return Object.freeze({
    name,
    inputs: Object.freeze([...inputs]),
    definitions: Object.freeze([...definitions]),
    sites: Object.freeze([...sites]),
    results,
  });
}
