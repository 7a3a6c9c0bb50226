// Host definitions of a plan -> lines of float64 loops, and the float32 or int32 copies of what kernels read.
//
// A definition is computed for the tokens of this call, first <= t < keys, or for all tokens 0 <= t < keys where a scan or
// another definition looks back. Given tensors have a row for every token 0 <= t < keys.

import type { Axis, Definition, Tensor } from '../../src/ir/ir.ts';
import { operandsOf, readsOf, scalarsOf, tensorsOf } from '../../src/ir/visit.ts';
import type { NameAllocator } from '../names.ts';
import type { BufferPlan, HostTable, Plan } from '../plan/plan.ts';
import type { HelperName } from './helpers.ts';
import { stringLiteral } from './literals.ts';
import { flatIndex, insideCondition, loop, nest, printDefinition, product } from './loops.ts';
import type { Dimension, HostArray, LoopContext } from './loops.ts';
import { sizeText } from './sizes.ts';

/** What host code may use of the module around it. */
export interface HostContext {
  /** Names of the function at hand; each definition's loops name their indices in an inner scope. */
  readonly names: NameAllocator;
  readonly helper: (name: HelperName) => string;
  /** A comment on where a definition comes from: '// theta [32], rope.pe:4'. */
  readonly comment: (definition: Definition) => string;
}

export interface HostProgram {
  readonly lines: string[];
  /** An expression: the values of a table as kernels read them. */
  table(table: HostTable): string;
  /** The same for a tensor that the caller gives. */
  given(buffer: BufferPlan): string;
}

export function hostProgram(plan: Plan, context: HostContext): HostProgram {
  const lines: string[] = [];
  const arrays = new Map<Tensor, HostArray>();
  const whole = lookedBackAt(plan);

  const dimension = (axis: Axis, all: boolean): Dimension => {
    if (typeof axis.extent === 'number') return { extent: String(axis.extent), start: '0' };
    if (axis.extent === 'tokens') return all ? { extent: 'keys', start: '0' } : { extent: 'tokens', start: 'first' };
    return { extent: axis.extent, start: '0' };
  };
  const arrayOf = (tensor: Tensor): HostArray => arrays.get(tensor) ?? takeGiven(tensor);

  const takeGiven = (tensor: Tensor): HostArray => {
    if (tensor.origin.kind !== 'given') throw new Error(`the host reads ${tensor.name}, which it has not computed`);
    const dimensions = tensor.axes.map((axis) => dimension(axis, true));
    const array = { name: context.names.allocate(tensor.name), dimensions };
    const length = product(dimensions.map(({ extent }) => extent));
    const byDefault = tensor.origin.given === 'position' && tensor.axes.length === 1 && tensor.name === 'position';
    const value = byDefault
      ? `${context.helper('positions')}(given, ${length})`
      : `${context.helper('required')}(given, ${stringLiteral(tensor.name)}, ${length})`;
    lines.push(`const ${array.name} = ${value};`);
    arrays.set(tensor, array);
    return array;
  };

  const loopContext = (all: (axis: Axis) => boolean): LoopContext => ({
    dimension: (axis) => dimension(axis, all(axis)),
    index: context.names.inner().allocate,
    scope: {
      element(tensor, index) {
        const array = arrayOf(tensor);
        return { text: `${array.name}[${flatIndex(array, index)}]!`, exists: insideCondition(array, index) };
      },
      size: (name) => name,
      helper: context.helper,
      random: () => {
        throw new Error('the host draws no random numbers');
      },
      local: context.names.allocate,
    },
  });

  const compute = (definition: Definition): void => {
    if (arrays.has(definition.tensor)) return;
    for (const tensor of tensorsOf(definition)) {
      const made = plan.host.find((other) => other.tensor === tensor);
      if (made === undefined) arrayOf(tensor);
      else compute(made);
    }
    const own = new Set(definition.tensor.axes);
    const all = (axis: Axis): boolean => own.has(axis) && whole.has(definition.tensor);
    const dimensions = definition.tensor.axes.map((axis) => dimension(axis, all(axis)));
    const array = { name: context.names.allocate(definition.tensor.name), dimensions };
    lines.push(context.comment(definition), ...printDefinition(definition, array, loopContext(all)));
    arrays.set(definition.tensor, array);
  };

  /** Rows as kernels hold them, in a typed array. */
  const convert = (tensor: Tensor, buffer: BufferPlan): string => {
    const source = arrayOf(tensor);
    const type = buffer.type === 'f32' ? 'Float32Array' : 'Int32Array';
    const dimensions = buffer.shape.map((size): Dimension => {
      const { text } = sizeText(size);
      return { extent: text, start: text === 'tokens' ? 'first' : '0' };
    });
    const same = dimensions.every(
      ({ extent, start }, n) => extent === source.dimensions[n]?.extent && start === source.dimensions[n].start,
    );
    if (same) return `${type}.from(${source.name})`;
    const target = { name: context.names.allocate(`${tensor.name}_rows`), dimensions };
    const inner = loopContext((axis) => dimensions[tensor.axes.indexOf(axis)]!.start !== 'first');
    const loops = tensor.axes.map((axis) => loop(axis, inner));
    const names = loops.map(({ name }) => name);
    lines.push(
      `const ${target.name} = new ${type}(${product(dimensions.map(({ extent }) => extent))});`,
      ...nest(loops, inner, [
        `${target.name}[${flatIndex(target, names)}] = ${source.name}[${flatIndex(source, names)}]!;`,
      ]),
    );
    return target.name;
  };

  return {
    lines,
    table({ definition, buffer }) {
      compute(definition);
      return convert(definition.tensor, buffer);
    },
    given: (buffer) => convert(buffer.tensor!, buffer),
  };
}

/** Tensors of which a row before `first` is read. */
function lookedBackAt(plan: Plan): ReadonlySet<Tensor> {
  const whole = new Set<Tensor>();
  for (const { definition, buffer } of plan.tables) if (buffer.rows === 'history') whole.add(definition.tensor);
  for (const definition of [...plan.host].reverse()) {
    if (definition.kind === 'scan' && definition.along.extent === 'tokens') whole.add(definition.tensor);
    const all = whole.has(definition.tensor);
    if (all) operandsOf(definition).forEach((tensor) => whole.add(tensor));
    for (const read of readsOf(scalarsOf(definition)))
      read.tensor.axes.forEach((axis, n) => {
        const index = read.index[n]!;
        const here = index.kind === 'axis' && index.axis.extent === 'tokens';
        if (axis.extent === 'tokens' && (all || !here)) whole.add(read.tensor);
      });
  }
  return whole;
}
