// Learned tensors of plans -> the list `learned` of a module: shapes and initial values as float64 loops. Also how the random
// numbers of such a formula are written, for `draws` too.

import type { Axis, Scalar, Tensor } from '../../src/ir/ir.ts';
import { readsOf } from '../../src/ir/visit.ts';
import type { LearnedPlan } from '../plan/plan.ts';
import type { RandomOp } from './spellings.ts';
import type { HostContext } from './host.ts';
import { stringLiteral } from './literals.ts';
import { flatIndex, insideCondition, printDefinition } from './loops.ts';
import type { Dimension, HostArray, LoopContext } from './loops.ts';
import type { Scope } from './expression.ts';
import type { Statement } from './structure.ts';

/** Uniform numbers that one draw takes. */
const draws: Record<RandomOp, { readonly sites: number; readonly helper: 'uniform' | 'normal' | 'truncNormal' }> = {
  uniform: { sites: 1, helper: 'uniform' },
  normal: { sites: 2, helper: 'normal' },
  trunc_normal: { sites: 1, helper: 'truncNormal' },
};

/** `context` starts the local names of one function; `comment` says what a tensor is. */
export function printLearned(
  tensors: readonly LearnedPlan[],
  context: () => HostContext,
  comment: (of: LearnedPlan) => string,
): Statement {
  const items = tensors.flatMap((each) => [
    '{',
    `  name: ${stringLiteral(each.tensor.name)},`,
    `  shape: [${each.shape.join(', ')}],`,
    `  shared: ${each.shared},`,
    `  trained: ${each.trained},`,
    `  ${comment(each)}`,
    `  initial(${readsFixed(each) ? 'random, fixed' : 'random'}) {`,
    ...initial(each, context()).map((line) => `    ${line}`),
    '  },',
    '},',
  ]);
  return {
    kind: 'constant',
    name: 'learned',
    exported: true,
    docs: ['Tensors that are stored with the model, with their initial values in row-major order.'],
    value: ['[', ...items.map((line) => `  ${line}`), '] satisfies readonly Learned[]'].join('\n'),
  };
}

/** A formula's draws, numbered in the order in which they are written; `element` is the number of the element at hand. */
export function randomText(context: HostContext, element: (names: (axis: Axis) => string) => string): Scope['random'] {
  let sites = 0;
  const numbered = new Map<Scalar, number>();
  return (op, call, args, axes) => {
    const { sites: count, helper } = draws[op];
    const site = numbered.get(call) ?? sites;
    if (!numbered.has(call)) sites += count;
    numbered.set(call, site);
    const at = element((axis) => axes.get(axis)!);
    return `${context.helper(helper)}(random, ${at}, ${site}, ${args.join(', ')})`;
  };
}

function initial(learned: LearnedPlan, context: HostContext): string[] {
  const dimension = (axis: Axis): Dimension => ({ extent: String(axis.extent), start: '0' });
  const array: HostArray = { name: context.names.allocate('values'), dimensions: learned.axes.map(dimension) };
  const read = new Map<Tensor, HostArray>();
  const arrayOf = (tensor: Tensor): HostArray => {
    const known = read.get(tensor);
    if (known !== undefined) return known;
    const made = { name: context.names.allocate(tensor.name), dimensions: tensor.axes.map(dimension) };
    read.set(tensor, made);
    return made;
  };
  const loops: LoopContext = {
    dimension,
    index: context.names.allocate,
    scope: {
      element(tensor, index) {
        const read = arrayOf(tensor);
        return { text: `${read.name}[${flatIndex(read, index)}]!`, exists: insideCondition(read, index) };
      },
      size: (name): never => {
        throw new Error(`the initial value of ${learned.tensor.name} depends on ${name}`);
      },
      helper: context.helper,
      random: randomText(context, (names) => flatIndex(array, learned.axes.map(names))),
      local: context.names.allocate,
    },
  };
  const definition = {
    kind: 'map',
    tensor: { ...learned.tensor, axes: learned.axes },
    span: null,
    adjointOf: null,
    body: learned.initial,
  } as const;
  const made = printDefinition(definition, array, loops);
  const given = [...read].map(([tensor, { name }]) => `const ${name} = fixed(${stringLiteral(tensor.name)});`);
  return [...given, ...made, `return ${array.name};`];
}

const readsFixed = ({ initial: formula }: LearnedPlan): boolean => readsOf(formula).length > 0;
