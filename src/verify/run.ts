// Runs attention with an encoding on a case and says for each tensor how far it is from the case: the largest error
// relative to the tensor's largest magnitude. A runner computes; the reference is the interpreter in float64. A runner that
// keeps tensors as bf16 is held against float64 arithmetic, on tensors rounded in the same places or on rounded inputs.

import { reverse } from '../autodiff/reverse.ts';
import type { Geometry } from '../check/checked.ts';
import { interpret } from '../interpret/interpret.ts';
import { given } from '../ir/build.ts';
import type { Axis, Program, Tensor } from '../ir/ir.ts';
import { isTraining } from '../laws/sample.ts';
import type { Case, CaseSizes, Values } from './case.ts';
import { interpretRounded } from './rounded.ts';

/** What a runner is asked for: one call of attention, forward and back. */
export interface Task {
  readonly program: Program;
  readonly sizes: { readonly batch: number; readonly tokens: number };
  readonly inputs: Readonly<Record<string, ArrayLike<number>>>; // every input of the program, row-major
  /** Of the results that the gradients begin at, by the name of the input: `d_output`, and `d_loss`. */
  readonly seeds: Readonly<Record<string, ArrayLike<number>>>;
  readonly outputs: readonly string[]; // names in program.results
  readonly gradients: readonly string[]; // names of inputs
}

export interface Ran {
  readonly outputs: ReadonlyMap<string, ArrayLike<number>>;
  /** A gradient that is missing is 0: nothing leads from the input to the output. */
  readonly gradients: ReadonlyMap<string, ArrayLike<number>>;
  readonly kept?: Kept;
}

/** Where tensors were kept as bf16. */
interface Kept {
  readonly program: Program; // forward and backward
  readonly narrow: ReadonlySet<Tensor>;
  /** PlanOptions.inside. f32: what is expected has the roundings of the inputs in it and no others. */
  readonly inside: 'bf16' | 'f32';
}

export type Runner = (task: Task) => Promise<Ran>;

/**
 * What bf16 may differ by, relative to the largest magnitude of a tensor: two roundings. bf16 has 8 bits of significand,
 * so that rounding to the nearest moves a number by at most 2^-8 of itself. What a tensor is held against has the
 * roundings of all that may be stored before it; one more is its own, and the other is left for operands that float32
 * arithmetic rounded to the other neighbour.
 */
export const bf16Tolerance = 2 * 2 ** -8;

export interface Row {
  readonly tensor: string;
  readonly kind: 'output' | 'gradient';
  /** Largest error relative to the largest magnitude expected; null: not compared, for the reason in `note`. */
  readonly error: number | null;
  readonly passed: boolean;
  /** How far the roundings of what it is made from move the tensor, in exact arithmetic, relative to the same magnitude. */
  readonly rounding: number;
  /** Where the largest error is, and the two numbers. */
  readonly where: string;
  readonly note: string;
}

export interface Verified {
  readonly rows: readonly Row[];
  /** What keeps the case from being run at all. */
  readonly problems: readonly string[];
  readonly passed: boolean;
}

/** The sizes to check an encoding for, so that it fits a case. */
export function geometryOf(sizes: CaseSizes): Geometry {
  const { heads, kv_heads, head_dim, model_dim, context, layers } = sizes;
  return { heads, kv_heads, head_dim, model_dim, context, layers, layer: 0 };
}

export async function verify(program: Program, vectors: Case, runner: Runner, tolerance: number): Promise<Verified> {
  const bound = bindInputs(program, vectors);
  if (bound.problems.length > 0) return { rows: [], problems: bound.problems, passed: false };
  const outputs = Object.keys(vectors.outputs).filter((name) => program.results.has(name));
  const gradients = Object.keys(vectors.gradients).filter((name) => bound.inputs[name] !== undefined);
  const sizes = { batch: vectors.sizes.B, tokens: vectors.sizes.T };
  const { inputs } = bound;
  const seeds = seedValues(program, sizes.batch, vectors.cotangent.data);
  const task: Task = { program, sizes, inputs, seeds, outputs, gradients };
  const ran = await runner(task);
  const { expected: wanted, rounding } = asKept(vectors, task, ran.kept);
  const compared = [
    ...Object.entries(wanted.outputs).map(([name, expected]) => {
      const tensor = program.results.get(name);
      const shape = tensor === undefined ? null : shapeOf(tensor.axes, vectors.sizes);
      return compare('output', name, expected, ran.outputs.get(name), tolerance, reasonFor(name, program), shape);
    }),
    ...Object.entries(wanted.gradients).map(([name, expected]) => {
      const known = gradients.includes(name) || isInputOfAttention(name);
      const got = ran.gradients.get(name) ?? (known ? new Float64Array(expected.data.length) : undefined);
      return compare('gradient', name, expected, got, tolerance, `the program reads no '${name}'`);
    }),
  ];
  const rows = compared.map((row): Row => {
    const name = row.kind === 'gradient' ? `d_${row.tensor}` : row.tensor;
    return { ...row, rounding: rounding.get(name) ?? 0 };
  });
  const needed = rows.filter((row) => row.kind === 'gradient' || row.tensor === 'output');
  const passed = rows.every((row) => row.passed || row.error === null) && needed.every((row) => row.error !== null);
  return { rows, problems: [], passed: passed && needed.length > 0 };
}

interface Expected {
  readonly expected: Case;
  /** By the tensor's name, of a gradient `d_NAME`. */
  readonly rounding: ReadonlyMap<string, number>;
}

/** The case's numbers, moved by what the roundings of what may be kept as bf16 do to them in exact arithmetic. */
function asKept(vectors: Case, { sizes, inputs, seeds }: Task, kept: Kept | undefined): Expected {
  const rounding = new Map<string, number>();
  if (kept === undefined || kept.narrow.size === 0) return { expected: vectors, rounding };
  const { program } = kept;
  const mayBe = kept.inside === 'f32' ? new Set(program.inputs) : kept.narrow;
  const narrow = new Set([...kept.narrow].filter((tensor) => mayBe.has(tensor)));
  const given = { ...inputs, ...seeds };
  const exact = interpret(program, sizes, given);
  const rounded = interpretRounded(program, sizes, given, narrow);
  const moved = (tensors: Case['outputs'], prefix: string): Case['outputs'] =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, values]) => {
        const made = program.results.get(prefix + name)?.name ?? '';
        const [from, to] = [exact.get(made), rounded.get(made)];
        if (from === undefined || to === undefined) return [name, values];
        const by = to.map((value, n) => value - from[n]!);
        rounding.set(prefix + name, largest(by) / (largest(values.data) || 1));
        return [name, { ...values, data: Float64Array.from(values.data, (value, n) => value + by[n % by.length]!) }];
      }),
    );
  const expected = { ...vectors, outputs: moved(vectors.outputs, ''), gradients: moved(vectors.gradients, 'd_') };
  return { expected, rounding };
}

function largest(values: ArrayLike<number>): number {
  let most = 0;
  for (let n = 0; n < values.length; n++) most = Math.max(most, Math.abs(values[n]!));
  return most;
}

const isInputOfAttention = (name: string): boolean => ['embedding', 'x', 'query', 'key', 'value'].includes(name);

const reasonFor = (name: string, program: Program): string =>
  program.results.has(name) ? 'the runner did not return it' : `no \`let\` of ${program.name} is called '${name}'`;

interface Bound {
  readonly inputs: Readonly<Record<string, ArrayLike<number>>>;
  readonly problems: readonly string[];
}

/** The case's tensors by the program's names, with their shapes compared. */
function bindInputs(program: Program, vectors: Case): Bound {
  const inputs: Record<string, ArrayLike<number>> = {};
  const problems: string[] = [];
  const used = new Set<string>();
  for (const tensor of program.inputs) {
    const found = valuesOf(tensor, vectors);
    if (found === null) {
      problems.push(`the case has no '${tensor.name}', which ${program.name} reads`);
      continue;
    }
    used.add(found.name);
    const shape = shapeOf(tensor.axes, vectors.sizes);
    if (shape.join() !== found.values.shape.join()) {
      problems.push(`'${found.name}' is [${found.values.shape.join(', ')}] in the case, not [${shape.join(', ')}]`);
    }
    inputs[tensor.name] = found.values.data;
  }
  for (const name of Object.keys(vectors.learned)) {
    if (!used.has(name)) problems.push(`${program.name} has no learned tensor '${name}', which is in the case`);
  }
  return { inputs, problems };
}

/** A case's numbers for an input of a program, and their name there; null where it has none. */
export function valuesOf(
  tensor: Tensor,
  { inputs, learned, sizes, training }: Case,
): { name: string; values: Values } | null {
  const { name, origin } = tensor;
  if (origin.kind === 'learned') return learned[name] === undefined ? null : { name, values: learned[name] };
  if (isTraining(tensor)) return { name, values: { shape: [], data: [training ? 1 : 0] } };
  const isPosition = origin.kind === 'given' && origin.given === 'position';
  const key = isPosition && inputs[name] === undefined ? 'coordinates' : name;
  const values = inputs[key];
  if (values !== undefined) return { name: key, values };
  if (!isPosition || tensor.axes.length !== 1) return null;
  return { name, values: { shape: [sizes.T], data: Float64Array.from({ length: sizes.T }, (_, t) => t) } };
}

export function shapeOf(axes: readonly Axis[], sizes: CaseSizes): number[] {
  return axes.map(({ extent }) => (extent === 'batch' ? sizes.B : typeof extent === 'number' ? extent : sizes.T));
}

function compare(
  kind: Row['kind'],
  tensor: string,
  expected: Values,
  got: ArrayLike<number> | undefined,
  tolerance: number,
  missing: string,
  shape: readonly number[] | null = null,
): Omit<Row, 'rounding'> {
  const skipped = { tensor, kind, error: null, passed: false, where: '' };
  if (got === undefined) return { ...skipped, note: missing };
  if (shape !== null && !covers(expected.shape, shape)) {
    return { ...skipped, note: `[${expected.shape.join(', ')}] in the case, [${shape.join(', ')}] in the program` };
  }
  if (got.length === 0 || expected.data.length % got.length !== 0) {
    return { ...skipped, note: `${expected.data.length} numbers in the case, ${got.length} from the runner` };
  }
  let magnitude = 0;
  let worst = { error: 0, at: 0 };
  for (let n = 0; n < expected.data.length; n++) {
    const wanted = expected.data[n]!;
    const error = Math.abs(got[n % got.length]! - wanted);
    if (Math.abs(wanted) > magnitude) magnitude = Math.abs(wanted);
    if (Number.isNaN(error) || error > worst.error) worst = { error: Number.isNaN(error) ? Infinity : error, at: n };
  }
  const error = magnitude === 0 ? worst.error : worst.error / magnitude;
  const [a, b] = [got[worst.at % got.length]!, expected.data[worst.at]!];
  const where = `[${indexOf(worst.at, expected.shape).join(', ')}]: ${a} for ${b}`;
  return { tensor, kind, error, passed: error <= tolerance, where, note: '' };
}

/** Equal, or the same for each sequence: then it is compared with every one of them. */
function covers(expected: readonly number[], shape: readonly number[]): boolean {
  return expected.join() === shape.join() || expected.slice(1).join() === shape.join();
}

function indexOf(at: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  let rest = at;
  for (const size of [...shape].reverse()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return index;
}

/** Results that gradients begin at: attention's output, and what the encoding adds to the loss. */
export const seedNames = (program: Program): readonly string[] =>
  program.results.has('loss') ? ['output', 'loss'] : ['output'];

/** What comes in at them: the loss is a mean over sequences. */
export function seedValues(
  program: Program,
  batch: number,
  cotangent: ArrayLike<number>,
): Readonly<Record<string, ArrayLike<number>>> {
  const ofLoss = program.results.has('loss') ? { d_loss: new Float64Array(batch).fill(1 / batch) } : {};
  return { d_output: cotangent, ...ofLoss };
}

/** Gradients of sum(output * cotangent) and the mean of `loss` as a program: what `reverse` makes of it. */
export function withGradients(program: Program, wanted: readonly string[]): { program: Program; seed: Tensor } {
  const seeds = seedNames(program).map((name): [Tensor, Tensor] => {
    const result = program.results.get(name);
    if (result === undefined) throw new Error(`${program.name} has no ${name}`);
    return [result, given(`d_${name}`, result.axes, 'cotangent')];
  });
  const inputs = program.inputs.filter((tensor) => wanted.includes(tensor.name));
  return { program: reverse(program, new Map(seeds), inputs), seed: seeds[0]![1] };
}

/** Forward and backward in float64 by the interpreter. */
export const reference: Runner = async ({ program, sizes, inputs, seeds, outputs, gradients }) => {
  const differentiated = withGradients(program, gradients).program;
  const values = interpret(differentiated, sizes, { ...inputs, ...seeds });
  const read = (name: string): readonly [string, ArrayLike<number>][] => {
    const tensor = differentiated.results.get(name);
    const data = tensor === undefined ? undefined : values.get(tensor.name);
    return data === undefined ? [] : [[name, data]];
  };
  return {
    outputs: new Map(outputs.flatMap(read)),
    gradients: new Map(gradients.flatMap((name) => read(`d_${name}`).map(([, data]) => [name, data] as const))),
  };
};
