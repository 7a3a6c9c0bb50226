// Drawn tensors of plans -> the list `draws` of a module: one sequence's random values as float64 loops. An element's number
// is a function of its indices alone, however long the sequence is: decode draws what training drew.

import type { Axis, Tensor } from '../../src/ir/ir.ts';
import type { Plan } from '../plan/plan.ts';
import type { HostContext } from './host.ts';
import { randomText } from './learned.ts';
import { docText, stringLiteral } from './literals.ts';
import { flatIndex, printDefinition, product } from './loops.ts';
import type { Dimension, LoopContext } from './loops.ts';
import type { Statement } from './structure.ts';

/** Drawn tensors that entries take, by name; plans of one encoding share them. */
export function drawsOf(plans: readonly Plan[]): readonly Tensor[] {
  const byName = new Map<string, Tensor>();
  for (const { entries } of plans)
    for (const { buffer } of entries.flatMap(({ inputs }) => inputs))
      if (buffer.tensor?.origin.kind === 'draw') byName.set(buffer.name, buffer.tensor);
  return [...byName.values()];
}

/** `context` starts the local names of one function. */
export function printDraws(tensors: readonly Tensor[], context: () => HostContext): Statement {
  const items = tensors.flatMap((tensor) => [
    '{',
    `  name: ${stringLiteral(tensor.name)},`,
    `  /** ${docText(commentOf(tensor))} */`,
    '  values(sizes, random) {',
    ...values(tensor, context()).map((line) => `    ${line}`),
    '  },',
    '},',
  ]);
  return {
    kind: 'constant',
    name: 'draws',
    exported: true,
    docs: ["Random tensors, fresh for each step and sequence: one sequence's values in row-major order."],
    value: ['[', ...items.map((line) => `  ${line}`), '] satisfies readonly Draw[]'].join('\n'),
  };
}

const ownAxes = ({ axes }: Tensor): readonly Axis[] => axes.slice(1); // without the batch

const commentOf = (tensor: Tensor): string =>
  `${tensor.name} [${ownAxes(tensor)
    .map(({ name, extent }) => `${name}: ${extent}`)
    .join(', ')}]`;

function values(tensor: Tensor, context: HostContext): string[] {
  const { origin, name } = tensor;
  if (origin.kind !== 'draw') throw new Error(`'${name}' is not drawn`);
  const axes = ownAxes(tensor);
  const array = { name: context.names.allocate('values'), dimensions: axes.map(dimensionOf) };
  const loops: LoopContext = {
    dimension: dimensionOf,
    index: context.names.allocate,
    scope: {
      element: (read): never => {
        throw new Error(`the formula of '${name}' reads '${read.name}'`);
      },
      size: (size) => size,
      helper: context.helper,
      random: randomText(context, (names) => elementOf(axes, names)),
      local: context.names.allocate,
    },
  };
  const made = { ...tensor, axes, origin: { kind: 'defined' } } as const;
  const definition = { kind: 'map', tensor: made, span: null, adjointOf: null, body: origin.initial } as const;
  const lines = [...printDefinition(definition, array, loops), `return ${array.name};`];
  const used = ['tokens', 'keys', 'first'].filter((size) =>
    lines.some((line) => new RegExp(`\\b${size}\\b`).test(line)),
  );
  return [...(used.length > 0 ? [`const { ${used.join(', ')} } = sizes;`] : []), ...lines];
}

/** Rows of this call's tokens. */
function dimensionOf({ extent }: Axis): Dimension {
  return { extent: String(extent), start: extent === 'tokens' ? 'first' : '0' };
}

/** Indices over tokens come first, two of them paired: none of the rest of the number depends on how many there are. */
function elementOf(axes: readonly Axis[], names: (axis: Axis) => string): string {
  const isFixed = ({ extent }: Axis): boolean => typeof extent === 'number';
  const fixed = axes.filter(isFixed);
  const dimensions = fixed.map(dimensionOf);
  const rest = flatIndex({ name: '', dimensions }, fixed.map(names));
  const tokens = axes.filter((axis) => !isFixed(axis)).map(names);
  if (tokens.length === 0) return rest;
  const place = tokens.reduce((a, b) => `(Math.max(${a}, ${b}) ** 2 + (${a} < ${b} ? ${a} : ${a} + ${b}))`);
  return flatIndex(
    {
      name: '',
      dimensions: [
        { extent: '', start: '0' },
        { extent: product(dimensions.map((d) => d.extent)), start: '0' },
      ],
    },
    [place, rest],
  );
}
