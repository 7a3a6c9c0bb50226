// What holds of every program of the tensor IR that a generated encoding becomes. Each property throws where it does not.

import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import { verifyPlan } from '../../codegen/plan/verify.ts';
import { reverse } from '../../src/autodiff/reverse.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import { given } from '../../src/ir/build.ts';
import type { Geometry } from '../../src/check/checked.ts';
import type { Program, Tensor } from '../../src/ir/ir.ts';
import { verify } from '../../src/ir/verify.ts';
import { scalarsOf, visit } from '../../src/ir/visit.ts';
import { compileProgram } from '../../src/compile.ts';
import { loadModule } from '../../src/load-module.ts';
import { wholeSequence, type Device } from '../../targets/device.ts';
import { runModule } from '../device/run-program.ts';
import { isTraining } from '../../src/laws/sample.ts';
import { lookAhead } from '../../src/passes/causality.ts';
import { defaultRewrites } from '../../src/passes/structure/rewrites.ts';
import { seeStructure } from '../../src/passes/structure/see.ts';
import { passes, simplify } from '../../src/passes/pipeline.ts';
import { decodeError } from '../kernels/check-decode.ts';
import { inputsOf, randomValues } from '../kernels/check-plan.ts';
import { runPlan, wholeSizes, type RunOptions } from '../kernels/run-plan.ts';
import { lengthOf } from '../autodiff/generated.ts';

export interface Sizes {
  readonly batch: number;
  readonly tokens: number;
}

type Values = ReadonlyMap<string, Float64Array>;
type Inputs = Record<string, ArrayLike<number>>;

/** What others read: the output of attention and its loss, or the changed embedding or x. */
export const outputsOf = (program: Program): readonly string[] =>
  ['output', 'loss', 'embedding_encoded', 'x_encoded'].filter((name) => program.results.has(name));

const differentiable = (program: Program): readonly Tensor[] =>
  program.inputs.filter(
    ({ type, origin }) =>
      type === 'real' &&
      origin.kind !== 'draw' &&
      !(origin.kind === 'given' && ['position', 'training'].includes(origin.given)),
  );

/** In a training step: what is drawn counts. */
const numbers = (program: Program, sizes: Sizes): Inputs => {
  const training = program.inputs.filter(isTraining).map(({ name }) => [name, [1]] as const);
  return inputsOf(program, sizes.batch, sizes.tokens, Object.fromEntries(training)) as Inputs;
};

/** The largest difference where both are numbers, over the largest magnitude or 1. */
export function distance(actual: ArrayLike<number>, expected: ArrayLike<number>, least = 1): number {
  let [worst, largest] = [0, least];
  for (let n = 0; n < expected.length; n++) {
    const [a, b] = [actual[n]!, expected[n]!];
    if (!Number.isFinite(b) || Math.abs(b) > 1e30) continue; // an overflow decides nothing
    largest = Math.max(largest, Math.abs(b));
    worst = Math.max(worst, Number.isNaN(a - b) ? Infinity : Math.abs(a - b));
  }
  return worst / largest;
}

function must(holds: boolean, what: () => string): void {
  if (!holds) throw new Error(what());
}

/** Results of a program and of what each pass makes of it, and of all passes one after the other. */
export function passesKeepMeaning(program: Program, sizes: Sizes): void {
  const values = numbers(program, sizes);
  const before = interpret(program, sizes, values);
  const changed = [...Object.entries(passes), ['all', simplify] as const];
  for (const [name, pass] of changed) {
    const after = pass(program);
    const wrong = verify(after);
    must(wrong.length === 0, () => `after ${name}: ${wrong.join('; ')}`);
    const found = interpret(after, sizes, values);
    for (const [result, tensor] of program.results) {
      const made = after.results.get(result);
      must(made !== undefined, () => `${name} loses '${result}'`);
      const error = distance(found.get(made!.name)!, before.get(tensor.name)!);
      must(error < 1e-9, () => `${name} changes '${result}' by ${error}`);
    }
  }
}

/** What others read of a program is the same after the rewrites, where pairs of tokens may be whole in memory and not. */
export function rewritesKeepMeaning(program: Program, sizes: Sizes): void {
  const values = numbers(program, sizes);
  const before = interpret(program, sizes, values);
  const results = new Map([...program.results].filter(([name]) => outputsOf(program).includes(name)));
  const plain = simplify({ ...program, results });
  for (const blockwise of [false, true]) {
    const wanted = new Set(differentiable(plain));
    const { program: after, seen } = seeStructure(
      plain,
      defaultRewrites,
      { wanted, context: 7, blockwise, vocabulary: { kind: 'unknown' } },
      true,
    );
    const found = interpret(after, sizes, values);
    for (const [name, tensor] of after.results) {
      const error = distance(found.get(tensor.name)!, before.get(program.results.get(name)!.name)!);
      must(error < 1e-9, () => `${seen.map(({ text }) => text).join('; ')}: '${name}' changes by ${error}`);
    }
  }
}

/** The program with gradients of all that it reads, seeded at what others read of it. */
export function withGradients(program: Program): Program {
  const seeds = outputsOf(program).map((name) => {
    const output = program.results.get(name)!;
    return [output, given(`d_${name}`, output.axes, 'cotangent')] as const;
  });
  return reverse(program, new Map(seeds), differentiable(program));
}

/** Slopes along a random direction against differences; not where the program has a kink nearby. */
export function gradientsAreSlopes(program: Program, sizes: Sizes): void {
  if (detaches(program)) return; // gradients are to leave something out
  const gradient = withGradients(program);
  const wrong = verify(gradient);
  must(wrong.length === 0, () => `gradients: ${wrong.join('; ')}`);
  const inputs = numbers(gradient, sizes);
  const values = interpret(gradient, sizes, inputs);
  const at = (moved: Inputs): number => {
    const made = interpret(program, sizes, moved);
    return outputsOf(program).reduce(
      (sum, name) => sum + dot(inputs[`d_${name}`]!, made.get(program.results.get(name)!.name)!),
      0,
    );
  };
  for (const [k, tensor] of differentiable(program).entries()) {
    const made = gradient.results.get(`d_${tensor.name}`);
    const direction = randomValues(lengthOf(tensor, sizes.tokens, sizes.batch), 71 + k);
    const slope = made === undefined ? 0 : dot(values.get(made.name)!, direction);
    const moved = (h: number): number => {
      const old = Float64Array.from(inputs[tensor.name]!);
      return at({ ...inputs, [tensor.name]: old.map((value, n) => value + h * direction[n]!) });
    };
    const [fine, coarse] = [1e-5, 3e-5].map(
      (h) => (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h),
    );
    const scale = Math.max(1, Math.abs(slope));
    const smooth = Math.abs(fine! - coarse!) < 1e-6 * scale;
    if (!smooth || !Number.isFinite(slope - fine!)) continue;
    const error = Math.abs(slope - fine!) / scale;
    must(error < 1e-5, () => `d_${tensor.name} along a direction is ${slope}, differences say ${fine}`);
  }
}

function detaches({ definitions }: Program): boolean {
  let found = false;
  visit(definitions.flatMap(scalarsOf), (s) => {
    found ||= s.kind === 'call' && s.op === 'detach';
  });
  return found;
}

const dot = (a: ArrayLike<number>, b: Float64Array): number => b.reduce((sum, value, n) => sum + value * a[n]!, 0);

/** What a plan is asked for: all results and all gradients. */
const askedOf = (program: Program): Partial<PlanOptions> & Pick<PlanOptions, 'outputs' | 'gradients'> => {
  const outputs = outputsOf(program);
  return { outputs, seeds: outputs, gradients: differentiable(program).map(({ name }) => name) };
};

/** Results and gradients of the kernels against the interpreter, forward and backward. */
export function kernelsAgree(
  program: Program,
  sizes: Sizes,
  options: Partial<PlanOptions>,
  run: RunOptions = {},
): void {
  const plan = buildPlan(program, { ...askedOf(program), ...options });
  const wrong = verifyPlan(plan, options.maxBindings ?? 8);
  must(wrong.length === 0, () => `plan: ${wrong.join('; ')}`);
  const inputs = numbers(whole(program), sizes);
  const actual = runPlan(plan, wholeSizes(sizes.batch, sizes.tokens), inputs, run);
  resultsAgree(program, sizes, inputs, actual);
}

/** The module that users get, on a device. */
export async function deviceAgrees(program: Program, sizes: Sizes, device: Device): Promise<void> {
  const text = await compileProgram(program, askedOf(program), { target: device.language, precision: 'f32' });
  const module = await loadModule(text);
  await device.prepare(Object.values(module.kernels));
  const inputs = numbers(whole(program), sizes);
  const actual = await runModule(device, module, wholeSequence(sizes.batch, sizes.tokens), inputs);
  resultsAgree(program, sizes, inputs, actual);
}

/** The program itself with its gradients, not what rewrites made of it. */
const whole = (program: Program): Program => (differentiable(program).length === 0 ? program : withGradients(program));

function resultsAgree(
  program: Program,
  sizes: Sizes,
  inputs: Inputs,
  actual: ReadonlyMap<string, ArrayLike<number>>,
): void {
  const outputs = outputsOf(program);
  const all = whole(program);
  const expected: Values = interpret(all, sizes, inputs);
  const worn = worsened(all, sizes, inputs, expected);
  for (const [name, tensor] of all.results) {
    if (!outputs.includes(name) && !name.startsWith('d_')) continue;
    const data = actual.get(name) ?? actual.get(tensor.name);
    if (data === undefined) {
      // Where the plan sees that nothing depends on an input there is no gradient.
      const isZero = !outputs.includes(name) && expected.get(tensor.name)!.every((value) => value === 0);
      must(isZero, () => `'${name}' is returned by no entry`);
      continue;
    }
    const error = distance(data, expected.get(tensor.name)!);
    const allowed = 2e-5 + 20 * worn(tensor);
    must(error <= allowed, () => `'${name}' of the kernels is off by ${error}, more than ${allowed}`);
  }
}

/** How much results change where every input is rounded to float32 once more: a few times that is nobody's fault. */
function worsened(program: Program, sizes: Sizes, inputs: Inputs, expected: Values): (tensor: Tensor) => number {
  const nudged = Object.fromEntries(
    program.inputs.map((tensor, k) => {
      const old = Float64Array.from(inputs[tensor.name]!);
      const noise = randomValues(old.length, 171 + k);
      const real = tensor.type === 'real';
      return [tensor.name, real ? old.map((value, n) => value * (1 + 2e-7 * noise[n]!)) : old];
    }),
  );
  const values = interpret(program, sizes, nudged);
  return (tensor) => distance(values.get(tensor.name)!, expected.get(tensor.name)!);
}

/**
 * Rows that come out token by token, and after a prompt, against the whole sequence; not of what looks ahead, nor of
 * embeddings, which are made for the whole sequence each time, nor of a bidirectional model.
 */
export function decodeAgrees(
  program: Program,
  { bidirectional = false }: Geometry,
  options: Partial<PlanOptions>,
  run: RunOptions = {},
): void {
  if (bidirectional) return;
  const [output] = outputsOf(program) as [string];
  if (output === 'embedding_encoded' || lookAhead(program).has(program.results.get(output)!)) return;
  for (const steps of [
    [1, 1, 1, 1, 1],
    [3, 1, 2],
  ]) {
    const error = decodeError(program, steps, { chunk: 4, ...options }, run, output);
    must(error < 2e-5, () => `rows of calls of ${steps.join(', ')} tokens are off by ${error}`);
  }
}
