// A runner on a device: the program becomes the same module that the trainer loads, its entries are recorded and run
// once, and what they return is read back.

import { fromBf16, toBf16 } from '../../codegen/bf16.ts';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import { bytesOfElement, wholeSequence } from '../../targets/device.ts';
import type { Buffer, Buffers, Device, Module, StorageType, Tape } from '../../targets/device.ts';
import { compileProgram } from '../compile.ts';
import type { ProgramTarget } from '../compile.ts';
import { loadModule } from '../load-module.ts';
import { targetPlan } from '../options.ts';
import type { CompileOptions } from '../options.ts';
import { callEntry } from '../trainer/call.ts';
import { wholeBuffer } from '../trainer/store.ts';
import { seedNames } from './run.ts';
import type { Ran, Runner, Task } from './run.ts';

export interface DeviceRunnerOptions {
  /** The planner's choices, forced. */
  readonly plan?: Partial<PlanOptions>;
  readonly precision?: CompileOptions['precision'];
  /** The line of the `.pe` file that a failing kernel comes from. */
  readonly lineOf?: ProgramTarget['lineOf'];
}

/** Compiles for the device's language and runs on it. Inputs that the entries take as bf16 are rounded. */
export function deviceRunner(
  device: Device,
  { plan = {}, precision = 'f32', lineOf }: DeviceRunnerOptions = {},
): Runner {
  return async (task) => {
    const { program, outputs, gradients } = task;
    const learned = program.inputs.filter(({ origin }) => origin.kind === 'learned').map(({ name }) => name);
    const options = {
      outputs: [...new Set(['output', ...outputs])],
      gradients,
      seeds: seedNames(program),
      accumulate: gradients.filter((name) => learned.includes(name)),
      ...plan,
    };
    const target = { target: device.language, precision, ...(lineOf === undefined ? {} : { lineOf }) };
    const text = await compileProgram(program, options, target);
    const module = await loadModule(text);
    await device.prepare(Object.values(module.kernels));
    const ran = await runModule(device, module, task);
    if (precision === 'f32') return ran;
    const { gradients: differentiated, narrow } = buildPlan(program, {
      ...targetPlan(device.language, precision),
      ...options,
    });
    return { ...ran, kept: { program: differentiated ?? program, narrow, inside: plan.inside ?? 'bf16' } };
  };
}

type Numbers = Float32Array | Int32Array | Uint16Array;

/** Numbers as a buffer of the type holds them. */
function stored(data: ArrayLike<number>, type: StorageType): Numbers {
  if (type === 'bf16') return toBf16(data);
  return type === 'i32' ? Int32Array.from(data) : Float32Array.from(data);
}

async function runModule(device: Device, module: Module, { sizes: s, inputs, seeds, ...task }: Task): Promise<Ran> {
  const sizes = wholeSequence(s.batch, s.tokens);
  const entryInputs = Object.values(module.entries).flatMap((entry) => entry.inputs);
  const typeOf = new Map(entryInputs.map(({ name, type }) => [name, type]));
  const held = new Map<string, Buffer>();
  const hold = (name: string, data: ArrayLike<number>, type: StorageType): void => {
    const numbers = stored(data, type);
    const storage = device.allocate(Math.max(numbers.byteLength, 4), name);
    device.write(storage, 0, numbers);
    held.set(name, { ...wholeBuffer(storage, type), elements: numbers.length });
  };
  const given: Readonly<Record<string, ArrayLike<number>>> = { ...inputs, ...seeds };
  for (const [name, data] of Object.entries(given)) hold(name, data, typeOf.get(name) ?? 'f32');
  for (const [name, data] of Object.entries(module.tables(sizes, inputs))) {
    const known = held.get(name)?.storage ?? null;
    if (known !== null) device.free(known);
    hold(name, data, data instanceof Int32Array ? 'i32' : 'f32');
  }
  for (const { name, type, accumulate, elements } of entryInputs) {
    if (accumulate && !held.has(name)) hold(name, new Float32Array(elements(sizes)), type); // begins at zero
  }

  const results = new Map<string, Buffer>();
  const keep = (tape: Tape, name: string, from: Buffer): void => {
    const storage = device.allocate(Math.max(from.elements * bytesOfElement[from.type], 4), name);
    const place = { ...wholeBuffer(storage, from.type), elements: from.elements };
    tape.copy(from, place);
    results.set(name, place);
  };
  const recorded = await device.record((tape) => {
    let atHand: Buffers = Object.fromEntries(held);
    for (const name of ['shared', 'step', 'forward', 'backward', 'finish', 'shared_finish'] as const) {
      if (module.entries[name] === undefined) continue;
      const made = callEntry(tape, module, name, atHand);
      atHand = { ...atHand, ...made };
    }
    for (const name of task.outputs) if (atHand[name] !== undefined) keep(tape, name, atHand[name]);
    for (const name of task.gradients)
      if (atHand[`d_${name}`] !== undefined) keep(tape, `d_${name}`, atHand[`d_${name}`]!);
  }, sizes);
  device.run(recorded);
  const read = async (name: string): Promise<readonly [string, ArrayLike<number>][]> => {
    const buffer = results.get(name);
    if (buffer?.storage == null) return [];
    const bytes = await device.read(buffer.storage, 0, buffer.elements * bytesOfElement[buffer.type]);
    return [[name.replace(/^d_/, ''), loaded(bytes, buffer.type)]];
  };
  const all = async (names: readonly string[]) => new Map((await Promise.all(names.map(read))).flat());
  const ran = { outputs: await all(task.outputs), gradients: await all(task.gradients.map((name) => `d_${name}`)) };
  device.release(recorded);
  for (const { storage } of [...held.values(), ...results.values()]) if (storage !== null) device.free(storage);
  return ran;
}

function loaded(bytes: ArrayBuffer, type: StorageType): ArrayLike<number> {
  if (type === 'bf16') return fromBf16(new Uint16Array(bytes));
  return type === 'i32' ? new Int32Array(bytes) : new Float32Array(bytes);
}
