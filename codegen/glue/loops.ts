// A definition of the host slots -> JavaScript loops that fill a Float64Array, row-major, rows of tokens from `start` on.
// Every rule of the tensor IR is here but the adjoint of expm: the host evaluates no gradients.

import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import { printScalars, stored } from './expression.ts';
import type { Scope } from './expression.ts';

/** One dimension of an array: `extent` elements, the first of which is index `start` of its axis ('0' mostly). */
export interface Dimension {
  readonly extent: string;
  readonly start: string;
}

export interface HostArray {
  readonly name: string;
  readonly dimensions: readonly Dimension[];
}

/** What expressions in loops need besides axes. */
export interface LoopContext {
  readonly scope: Omit<Scope, 'axes'>;
  /** A name for the index of a loop. */
  index(wanted: string): string;
  /** The dimension that a loop over an axis runs through. */
  dimension(axis: Axis): Dimension;
}

/** The place of `index` in an array, as text: `(t - first) * 32 + p`. */
export function flatIndex(array: HostArray, index: readonly string[]): string {
  const terms = index.map((text, at) => {
    const { start } = array.dimensions[at]!;
    const stride = product(array.dimensions.slice(at + 1).map((dimension) => dimension.extent));
    const shifted = start === '0' ? text : `${text} - ${start}`;
    if (stride === '1') return shifted;
    if (stride === '0' || shifted === '0') return '0';
    return `${start === '0' ? text : `(${shifted})`} * ${stride}`;
  });
  const kept = terms.filter((term) => term !== '0');
  return kept.length === 0 ? '0' : kept.join(' + ');
}

/** When `index` lies inside an array: '' when it has no dimension. */
export function insideCondition(array: HostArray, index: readonly string[]): string {
  return index
    .map((text, at) => {
      const { start, extent } = array.dimensions[at]!;
      return `${text} >= ${start} && ${text} < ${end({ start, extent })}`;
    })
    .join(' && ');
}

/** Factors multiplied out, numbers first folded: `keys * 64`. */
export function product(extents: readonly string[]): string {
  const numbers = extents.filter((extent) => /^\d+$/.test(extent)).reduce((all, each) => all * Number(each), 1);
  const names = extents.filter((extent) => !/^\d+$/.test(extent));
  if (numbers === 0) return '0';
  return [...names, ...(numbers !== 1 || names.length === 0 ? [String(numbers)] : [])].join(' * ');
}

/** Where a loop over a dimension ends; tokens of this call end at `keys`. */
function end(dimension: Dimension): string {
  if (dimension.start === '0') return dimension.extent;
  return dimension.start === 'first' && dimension.extent === 'tokens'
    ? 'keys'
    : `${dimension.start} + ${dimension.extent}`;
}

const indent = (lines: readonly string[]): string[] => lines.map((line) => (line === '' ? '' : `  ${line}`));

export interface Loop {
  readonly axis: Axis;
  readonly name: string;
}

/** Fills `array` (declared here) with the values of a definition. */
export function printDefinition(definition: Definition, array: HostArray, context: LoopContext): string[] {
  const loops = definition.tensor.axes.map((axis) => loop(axis, context));
  const size = product(array.dimensions.map((dimension) => dimension.extent));
  const declare = `const ${array.name} = new Float64Array(${size});`;
  return [declare, ...fill(definition, loops, array, context)];
}

export function loop(axis: Axis, context: LoopContext): Loop {
  return { axis, name: context.index(axis.name) };
}

/** Loops around a body, the first axis outermost. */
export function nest(loops: readonly Loop[], context: LoopContext, body: readonly string[], reverse = false): string[] {
  return loops.reduceRight<string[]>(
    (inner, { axis, name }) => {
      const dimension = context.dimension(axis);
      const head = reverse
        ? `for (let ${name} = ${end(dimension)} - 1; ${name} >= ${dimension.start}; ${name}--) {`
        : `for (let ${name} = ${dimension.start}; ${name} < ${end(dimension)}; ${name}++) {`;
      return [head, ...indent(inner), '}'];
    },
    [...body],
  );
}

function print(
  scalars: readonly Scalar[],
  loops: readonly Loop[],
  context: LoopContext,
): { bindings: string[]; texts: string[] } {
  return printScalars(scalars, { ...context.scope, axes: new Map(loops.map(({ axis, name }) => [axis, name])) });
}

function fill(definition: Definition, loops: readonly Loop[], array: HostArray, context: LoopContext): string[] {
  const names = loops.map(({ name }) => name);
  const target = `${array.name}[${flatIndex(array, names)}]`;
  const local = (name: string): string => context.scope.local(name);
  switch (definition.kind) {
    case 'map': {
      const { bindings, texts } = print([definition.body], loops, context);
      return nest(loops, context, [...bindings, `${target} = ${stored(definition.body, texts[0]!)};`]);
    }
    case 'reduce': {
      const over = definition.over.map((axis) => loop(axis, context));
      const { bindings, texts } = print([definition.body], [...loops, ...over], context);
      const value = stored(definition.body, texts[0]!);
      if (definition.op === 'argmax') {
        const [best, place] = [local('best'), local('place')];
        const at = over[0]!.name;
        const better = `${place} < 0 || ${value} > ${best}`;
        const update = [`if (${better}) {`, `  ${best} = ${value};`, `  ${place} = ${at};`, '}'];
        return nest(loops, context, [
          `let ${best} = -Infinity;`,
          `let ${place} = -1;`,
          ...nest(over, context, [...bindings, ...update]),
          `${target} = ${place};`,
        ]);
      }
      const total = local(definition.op === 'sum' ? 'sum' : 'product');
      const step = definition.op === 'sum' ? `${total} += ${value};` : `${total} *= ${value};`;
      return nest(loops, context, [
        `let ${total} = ${definition.op === 'sum' ? 0 : 1};`,
        ...nest(over, context, [...bindings, step]),
        `${target} = ${total};`,
      ]);
    }
    case 'scan': {
      const along = loops.filter(({ axis }) => axis === definition.along);
      const others = loops.filter(({ axis }) => axis !== definition.along);
      const { bindings, texts } = print([definition.factor, definition.term], loops, context);
      const state = local('state');
      const step = `${state} = ${product2(texts[0]!, state)} + (${texts[1]!});`;
      const store = `${target} = ${state};`;
      const body = [...bindings, ...(definition.exclusive ? [store, step] : [step, store])];
      return nest(others, context, [
        `let ${state} = ${definition.initial};`,
        ...nest(along, context, body, definition.reverse),
      ]);
    }
    case 'triangular':
      throw new Error('the host solves no systems over tokens');
    case 'scatter': {
      const over = definition.over.map((axis) => loop(axis, context));
      const { bindings, texts } = print([...definition.index, definition.body], over, context);
      const index = texts.slice(0, -1).map((text) => `(${text})`);
      const add = `${array.name}[${flatIndex(array, index)}]! += ${texts.at(-1)!};`;
      return nest(over, context, [...bindings, add]);
    }
    case 'softmax':
      return softmax(definition, loops, target, context);
    case 'rotate':
      return rotate(definition, loops, array, context);
    case 'matrix': {
      if (definition.cotangent !== null) throw new Error('the host evaluates no gradients');
      const n = context.dimension(definition.tensor.axes.at(-1)!).extent;
      const from = context.scope.element(definition.input, names).text;
      const corner = [...names.slice(0, -2), '0', '0'];
      return [
        ...nest(loops, context, [`${target} = ${from};`]),
        ...nest(loops.slice(0, -2), context, [
          `${context.scope.helper(definition.function)}(${array.name}, ${flatIndex(array, corner)}, ${n});`,
        ]),
      ];
    }
    default:
      return definition satisfies never;
  }
}

const product2 = (factor: string, state: string): string => (factor === '1' ? state : `(${factor}) * ${state}`);

function softmax(
  definition: Definition & { kind: 'softmax' },
  loops: readonly Loop[],
  target: string,
  context: LoopContext,
): string[] {
  const over = loops.filter(({ axis }) => axis === definition.over);
  const others = loops.filter(({ axis }) => axis !== definition.over);
  const { bindings, texts } = print([definition.where, definition.body], loops, context);
  const [where, body] = texts as [string, string];
  const [highest, total] = [context.scope.local('highest'), context.scope.local('total')];
  return nest(others, context, [
    `let ${highest} = -Infinity;`,
    ...nest(over, context, [...bindings, `if (${where}) ${highest} = Math.max(${highest}, ${body});`]),
    `let ${total} = 0;`,
    ...nest(over, context, [
      ...bindings,
      `${target} = ${where} ? Math.exp(${body} - ${highest}) : 0;`,
      `${total} += ${target}!;`,
    ]),
    `if (${total} > 0) {`,
    ...indent(nest(over, context, [`${target}! /= ${total};`])),
    '}',
  ]);
}

function rotate(
  definition: Definition & { kind: 'rotate' },
  loops: readonly Loop[],
  array: HostArray,
  context: LoopContext,
): string[] {
  const names = loops.map(({ name }) => name);
  const pair = loop(definition.pair, context);
  const outer = loops.slice(0, -1);
  const { bindings, texts } = print([definition.phase], [...outer, pair], context);
  const { from, layout } = definition;
  const n = context.dimension(definition.pair).extent;
  const first = layout === 'split' ? `(${from} + ${pair.name})` : `(${from} + 2 * ${pair.name})`;
  const second = layout === 'split' ? `(${from} + ${pair.name} + ${n})` : `(${from} + 2 * ${pair.name} + 1)`;
  const at = (tensor: Tensor, feature: string): string =>
    context.scope.element(tensor, [...names.slice(0, -1), feature]).text;
  const place = (feature: string): string => `${array.name}[${flatIndex(array, [...names.slice(0, -1), feature])}]`;
  const [phase, cos, sin] = ['phase', 'cos', 'sin'].map((name) => context.scope.local(name));
  return [
    ...nest(loops, context, [`${place(names.at(-1)!)} = ${at(definition.input, names.at(-1)!)};`]),
    ...nest([...outer, pair], context, [
      ...bindings,
      `const ${phase} = ${definition.sign === 1 ? '' : '-'}(${texts[0]!});`,
      `const ${cos} = Math.cos(${phase});`,
      `const ${sin} = Math.sin(${phase});`,
      `${place(first)} = ${at(definition.input, first)} * ${cos} - ${at(definition.input, second)} * ${sin};`,
      `${place(second)} = ${at(definition.input, first)} * ${sin} + ${at(definition.input, second)} * ${cos};`,
    ]),
  ];
}
