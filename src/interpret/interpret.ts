// The meaning of the tensor IR, in float64: a program and its inputs in, every tensor out. Every target is held
// against this. Nothing is approximated, and a read outside its tensor is an error, not a number.

import type { Definition, Program, Tensor } from '../ir/ir.ts';
import { readAt } from '../ir/scalar.ts';
import { tensorsOf } from '../ir/visit.ts';
import { initialStorage } from './initial.ts';
import type { Random } from './initial.ts';
import { matrixExponential, matrixExponentialAdjoint, matrixInverse } from './matrix.ts';
import { eachPoint, makeNest, scalarCompiler } from './point.ts';
import type { Lookup, Nest } from './point.ts';
import { allocate, firstToken, rangeOf, runtimeSizes, takeInput } from './storage.ts';
import type { RuntimeSizes, Sizes, Storage } from './storage.ts';

export type { Sizes } from './storage.ts';
export type { Random } from './initial.ts';
export { evaluateInitial } from './initial.ts';

/**
 * Every input and definition by name, row-major; booleans are 0 and 1.
 *
 * Rows where first > 0: an input over `tokens` is given either with the rows 0 .. keys - 1 or with the rows
 * first .. keys - 1 of this call. A definition has all rows if all that it reads has, else those from `first`; a read of
 * an earlier row of a tensor that has only the later ones is an error, and so is a scan that would start in the middle.
 *
 * Learned and drawn tensors that are not given take their initial value, with numbers from `random`.
 */
export function interpret(
  program: Program,
  sizes: Sizes,
  inputs: Readonly<Record<string, ArrayLike<number>>>,
  random?: Random,
): ReadonlyMap<string, Float64Array> {
  const runtime = runtimeSizes(sizes);
  const stored = new Map<Tensor, Storage>();
  const lookup: Lookup = (tensor) => {
    const found = stored.get(tensor);
    if (found === undefined) throw new Error(`'${tensor.name}' is read before it is made`);
    return found;
  };
  for (const tensor of program.inputs) {
    const values = Object.hasOwn(inputs, tensor.name) ? inputs[tensor.name] : undefined;
    if (values !== undefined) stored.set(tensor, takeInput(tensor, values, runtime));
    else if (random !== undefined) stored.set(tensor, initialStorage(tensor, random, sizes, lookup));
    else throw new Error(`no values for the input '${tensor.name}'`);
  }
  for (const definition of program.definitions) {
    stored.set(definition.tensor, evaluateDefinition(definition, runtime, lookup));
  }
  return new Map([...stored].map(([tensor, { data }]) => [tensor.name, data]));
}

function evaluateDefinition(d: Definition, sizes: RuntimeSizes, lookup: Lookup): Storage {
  const from = Math.max(0, ...[...tensorsOf(d)].map((tensor) => firstToken(lookup(tensor))));
  const out = allocate(d.tensor, sizes, from);
  switch (d.kind) {
    case 'map':
      runMap(d, out, sizes, lookup, from);
      return out;
    case 'reduce':
      runReduce(d, out, sizes, lookup, from);
      return out;
    case 'scan':
      if (d.along.extent === 'tokens' && from > 0) {
        throw new Error(`'${d.tensor.name}' is a scan and needs the rows before ${from}`);
      }
      runScan(d, out, sizes, lookup, from);
      return out;
    case 'triangular':
      if (d.along.extent === 'tokens' && from > 0) {
        throw new Error(`'${d.tensor.name}' is solved row by row and needs the rows before ${from}`);
      }
      runTriangular(d, out, sizes, lookup, from);
      return out;
    case 'scatter':
      runScatter(d, out, sizes, lookup, from);
      return out;
    case 'softmax':
      runSoftmax(d, out, sizes, lookup, from);
      return out;
    case 'rotate':
      runRotate(d, out, sizes, lookup, from);
      return out;
    case 'matrix':
      runMatrix(d, out, lookup);
      return out;
    default:
      return d satisfies never;
  }
}

type Of<K extends Definition['kind']> = Extract<Definition, { kind: K }>;

const nestOver = (axes: Definition['tensor']['axes'], sizes: RuntimeSizes, from: number): Nest =>
  makeNest(axes.map((axis) => ({ axis, ...rangeOf(axis, sizes, from) })));

/** Offset of the current point in a tensor whose axes are loops of the nest, but for those missing. */
function offsetIn(nest: Nest, out: Storage): () => number {
  const parts: { k: number; base: number; stride: number }[] = [];
  for (const [n, axis] of out.tensor.axes.entries()) {
    const k = nest.loops.findIndex((loop) => loop.axis === axis);
    if (k >= 0) parts.push({ k, base: out.base[n]!, stride: out.stride[n]! });
  }
  return () => {
    let where = 0;
    for (const { k, base, stride } of parts) where += (nest.index[k]! - base) * stride;
    return where;
  };
}

function runMap(d: Of<'map'>, out: Storage, sizes: RuntimeSizes, lookup: Lookup, from: number): void {
  const nest = nestOver(d.tensor.axes, sizes, from);
  const body = scalarCompiler(nest, sizes, lookup)(d.body);
  let n = 0;
  eachPoint(nest, 0, nest.loops.length, () => {
    out.data[n++] = body();
  });
}

function runReduce(d: Of<'reduce'>, out: Storage, sizes: RuntimeSizes, lookup: Lookup, from: number): void {
  const own = d.tensor.axes;
  const loops = [...own, ...d.over].map((axis) => ({
    axis,
    ...rangeOf(axis, sizes, own.includes(axis) ? from : Math.min(from, sizes.first)),
  }));
  const nest = makeNest(loops);
  const body = scalarCompiler(nest, sizes, lookup)(d.body);
  const depth = own.length;
  let value = 0;
  let best = 0;
  const step = {
    sum: () => {
      value += body();
    },
    prod: () => {
      value *= body();
    },
    argmax: () => {
      const candidate = body();
      if (candidate > value || best < 0) {
        value = candidate;
        best = nest.index[depth]!;
      }
    },
  }[d.op];
  let n = 0;
  eachPoint(nest, 0, depth, () => {
    value = d.op === 'prod' ? 1 : d.op === 'sum' ? 0 : -Infinity;
    best = -1;
    eachPoint(nest, depth, loops.length, step);
    out.data[n++] = d.op === 'argmax' ? best : value;
  });
}

function runScan(d: Of<'scan'>, out: Storage, sizes: RuntimeSizes, lookup: Lookup, from: number): void {
  const nest = nestOver([...d.tensor.axes.filter((axis) => axis !== d.along), d.along], sizes, from);
  const compile = scalarCompiler(nest, sizes, lookup);
  const [factor, term] = [compile(d.factor), compile(d.term)];
  const where = offsetIn(nest, out);
  const depth = nest.loops.length - 1;
  let carry = 0;
  const step = (): void => {
    const next = factor() * carry + term();
    out.data[where()] = d.exclusive ? carry : next;
    carry = next;
  };
  eachPoint(nest, 0, depth, () => {
    carry = d.initial;
    eachPoint(nest, depth, depth + 1, step, d.reverse);
  });
}

function runTriangular(d: Of<'triangular'>, out: Storage, sizes: RuntimeSizes, lookup: Lookup, from: number): void {
  const { axes } = d.tensor;
  const own = [...axes.filter((axis) => axis !== d.along), d.along];
  const loops = own.map((axis) => ({ axis, ...rangeOf(axis, sizes, from) }));
  const nest = makeNest([...loops, { axis: d.other, ...rangeOf(d.other, sizes, from) }]);
  const compile = scalarCompiler(nest, sizes, lookup);
  const [first, factor, term] = [compile(d.from), compile(d.factor), compile(d.term)];
  const where = offsetIn(nest, out);
  const place = own.length - 1;
  const along = axes.indexOf(d.along);
  const step = (): void => {
    const t = nest.index[place]!;
    const here = where();
    const start = first();
    if (t < start) {
      out.data[here] = 0;
      return;
    }
    const { base, count } = nest.loops[place]!;
    let value = term();
    for (let s = d.reverse ? t + 1 : Math.max(start, base); s < (d.reverse ? base + count : t); s++) {
      nest.index[place + 1] = s;
      nest.stamp[place + 2]!++;
      value += factor() * out.data[here + (s - t) * out.stride[along]!]!;
    }
    out.data[here] = value;
  };
  eachPoint(nest, 0, place, () => eachPoint(nest, place, place + 1, step, d.reverse));
}

function runScatter(d: Of<'scatter'>, out: Storage, sizes: RuntimeSizes, lookup: Lookup, from: number): void {
  const nest = nestOver(d.over, sizes, from);
  const compile = scalarCompiler(nest, sizes, lookup);
  const index = d.index.map(compile);
  const body = compile(d.body);
  eachPoint(nest, 0, nest.loops.length, () => {
    let where = 0;
    for (const [k, evaluate] of index.entries()) {
      const n = evaluate() - out.base[k]!;
      if (!(n >= 0 && n < out.count[k]!)) return; // lands nowhere
      where += n * out.stride[k]!;
    }
    out.data[where]! += body();
  });
}

function runSoftmax(d: Of<'softmax'>, out: Storage, sizes: RuntimeSizes, lookup: Lookup, from: number): void {
  const nest = nestOver([...d.tensor.axes.filter((axis) => axis !== d.over), d.over], sizes, from);
  const compile = scalarCompiler(nest, sizes, lookup);
  const [condition, body] = [compile(d.where), compile(d.body)];
  const where = offsetIn(nest, out);
  const depth = nest.loops.length - 1;
  const row = new Float64Array(nest.loops[depth]!.count);
  let largest = 0;
  let total = 0;
  let n = 0;
  const collect = (): void => {
    const value = condition() !== 0 ? body() : -Infinity;
    row[n++] = value;
    if (value > largest || Number.isNaN(value)) largest = value;
  };
  const weigh = (): void => {
    const weight = row[n]! === -Infinity ? 0 : Math.exp(row[n]! - largest);
    row[n++] = weight;
    total += weight;
  };
  const put = (): void => {
    out.data[where()] = total === 0 ? 0 : row[n]! / total;
    n++;
  };
  eachPoint(nest, 0, depth, () => {
    largest = -Infinity;
    total = 0;
    for (const pass of [collect, weigh, put]) {
      n = 0;
      eachPoint(nest, depth, depth + 1, pass);
    }
  });
}

function runRotate(d: Of<'rotate'>, out: Storage, sizes: RuntimeSizes, lookup: Lookup, from: number): void {
  const { data } = out;
  const features = nestOver(d.tensor.axes, sizes, from);
  const copy = scalarCompiler(features, sizes, lookup)(readAt(d.input, d.tensor.axes));
  let n = 0;
  eachPoint(features, 0, features.loops.length, () => {
    data[n++] = copy();
  });
  const nest = nestOver([...d.tensor.axes.slice(0, -1), d.pair], sizes, from);
  const phase = scalarCompiler(nest, sizes, lookup)(d.phase);
  const row = offsetIn(nest, out);
  const pairs = nest.loops.at(-1)!.count;
  const p = nest.loops.length - 1;
  eachPoint(nest, 0, nest.loops.length, () => {
    const pair = nest.index[p]!;
    const start = row() + d.from;
    const first = start + (d.layout === 'split' ? pair : 2 * pair);
    const second = first + (d.layout === 'split' ? pairs : 1);
    const angle = d.sign * phase();
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const [a, b] = [data[first]!, data[second]!];
    data[first] = a * cos - b * sin;
    data[second] = a * sin + b * cos;
  });
}

function runMatrix(d: Of<'matrix'>, out: Storage, lookup: Lookup): void {
  const n = out.count.at(-1)!;
  const input = lookup(d.input).data;
  const cotangent = d.cotangent === null ? null : lookup(d.cotangent).data;
  for (let start = 0; start < out.data.length; start += n * n) {
    const matrix = input.slice(start, start + n * n);
    const at = cotangent?.slice(start, start + n * n) ?? null;
    out.data.set(d.function === 'inverse' ? matrixInverse(n, matrix) : exponential(n, matrix, at), start);
  }
}

function exponential(n: number, matrix: Float64Array, cotangent: Float64Array | null): Float64Array {
  return cotangent === null ? matrixExponential(n, matrix) : matrixExponentialAdjoint(n, matrix, cotangent);
}
