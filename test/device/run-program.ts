// Runs all entries of a program's module on a device and holds what they return against the float64 interpreter; where the
// plan keeps tensors as bf16, against the interpreter with the same tensors rounded.

import { fromBf16, toBf16 } from '../../codegen/bf16.ts';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import { compileProgram } from '../../src/compile.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Program } from '../../src/ir/ir.ts';
import { loadModule } from '../../src/load-module.ts';
import { targetPlan } from '../../src/options.ts';
import { callEntry } from '../../src/trainer/call.ts';
import { wholeBuffer } from '../../src/trainer/store.ts';
import { interpretRounded } from '../../src/verify/rounded.ts';
import { bytesOfElement, wholeSequence } from '../../targets/device.ts';
import type { Buffer, Buffers, Device, Module, Sizes, StorageType } from '../../targets/device.ts';
import { inputsOf } from '../kernels/check-plan.ts';
import { worstError, type Values } from '../kernels/run-plan.ts';

export interface ProgramRun {
  readonly program: Program;
  readonly options: Partial<PlanOptions>;
  readonly precision: 'f32' | 'bf16';
  readonly batch: number;
  readonly tokens: number;
  readonly inputs?: Values;
}

export interface Prepared {
  readonly run: ProgramRun;
  readonly module: string;
  readonly inputs: Values;
  /** What every result asked for must be, by the names that it may come under. */
  readonly expected: readonly { readonly names: readonly string[]; readonly values: ArrayLike<number> }[];
}

export async function prepareProgram(device: Device, run: ProgramRun): Promise<Prepared> {
  const { program, options, precision, batch, tokens } = run;
  const { gradients, narrow } = buildPlan(program, { ...targetPlan(device.language, precision), ...options });
  const all = gradients ?? program;
  const inputs = inputsOf(all, batch, tokens, run.inputs);
  const made =
    narrow.size === 0
      ? interpret(all, { batch, tokens }, inputs)
      : interpretRounded(all, { batch, tokens }, inputs, narrow);
  const asked = new Set(options.outputs ?? ['output']);
  const expected = [...all.results]
    .filter(([name]) => asked.has(name) || name.startsWith('d_'))
    .map(([name, tensor]) => ({ names: [name, tensor.name], values: made.get(tensor.name)! }));
  const module = await compileProgram(program, options, { target: device.language, precision });
  return { run, module, inputs, expected };
}

/** The largest error of each result, relative to its largest magnitude; of another text of the module, if one is given. */
export async function errorsOf(
  device: Device,
  { run, inputs, expected, module: text }: Prepared,
  other: string = text,
): Promise<Readonly<Record<string, number>>> {
  const module = await loadModule(other);
  await device.prepare(Object.values(module.kernels));
  const made = await runModule(device, module, wholeSequence(run.batch, run.tokens), inputs);
  return Object.fromEntries(
    expected.map(({ names, values }) => {
      const actual = names.map((name) => made.get(name)).find((found) => found !== undefined);
      return [names[0]!, actual === undefined ? Infinity : worstError(actual, values)];
    }),
  );
}

/** Everything that the entries of a module return, by name. */
export async function runModule(device: Device, module: Module, sizes: Sizes, given: Values) {
  const held = new Map<string, Buffer>();
  const place = (name: string, elements: number, type: StorageType): Buffer => ({
    ...wholeBuffer(device.allocate(Math.max(elements * bytesOfElement[type], 4), name), type),
    elements,
  });
  const tables = module.tables(sizes, given);
  for (const { inputs } of Object.values(module.entries)) {
    for (const { name, type, accumulate, elements } of inputs) {
      const data = tables[name] ?? given[name] ?? (accumulate ? new Float32Array(elements(sizes)) : null);
      if (held.has(name) || data === null) continue; // what another entry makes
      const buffer = place(name, data.length, type);
      device.write(buffer.storage!, 0, stored(data, type));
      held.set(name, buffer);
    }
  }
  const results = new Map<string, Buffer>();
  const recorded = await device.record((tape) => {
    let atHand: Buffers = Object.fromEntries(held);
    for (const entry of ['shared', 'step', 'forward', 'backward', 'finish', 'shared_finish'] as const) {
      if (module.entries[entry] === undefined) continue;
      atHand = { ...atHand, ...callEntry(tape, module, entry, atHand) };
    }
    for (const [name, buffer] of Object.entries(atHand)) {
      const kept = place(`${name}, at the end`, buffer.elements, buffer.type);
      tape.copy(buffer, kept);
      results.set(name, kept);
    }
  }, sizes);
  device.run(recorded);
  const made = new Map<string, ArrayLike<number>>();
  for (const [name, { storage, type, elements }] of results) {
    made.set(name, loaded(await device.read(storage!, 0, elements * bytesOfElement[type]), type));
  }
  device.release(recorded);
  for (const { storage } of [...held.values(), ...results.values()]) device.free(storage!);
  return made;
}

function stored(data: ArrayLike<number>, type: StorageType): ArrayBufferView {
  if (type === 'bf16') return toBf16(data);
  return type === 'i32' ? Int32Array.from(data) : Float32Array.from(data);
}

function loaded(bytes: ArrayBuffer, type: StorageType): ArrayLike<number> {
  if (type === 'bf16') return fromBf16(new Uint16Array(bytes));
  return type === 'i32' ? new Int32Array(bytes) : new Float32Array(bytes);
}
