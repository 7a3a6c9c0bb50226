// A runner on a device: the program becomes the same module that the trainer loads, its entries are recorded and run
// once, and what they return is read back.

import type { PlanOptions } from '../../codegen/plan/plan.ts';
import { bytesOfElement, wholeSequence } from '../../targets/device.ts';
import type { Buffer, Buffers, Device, Module, Tape } from '../../targets/device.ts';
import { compileProgram } from '../compile.ts';
import { loadModule } from '../load-module.ts';
import { callEntry } from '../trainer/call.ts';
import { wholeBuffer } from '../trainer/store.ts';
import type { Ran, Runner, Task } from './run.ts';

/** Compiles for and runs on `device`; `plan` forces the planner's choices. */
export function deviceRunner(device: Device, plan: Partial<PlanOptions> = {}): Runner {
  return async (task) => {
    const { program, outputs, gradients } = task;
    const learned = program.inputs.filter(({ origin }) => origin.kind === 'learned').map(({ name }) => name);
    const text = await compileProgram(program, {
      outputs: [...new Set(['output', ...outputs])],
      gradients,
      accumulate: gradients.filter((name) => learned.includes(name)),
      ...plan,
    });
    const module = await loadModule(text);
    await device.prepare(Object.values(module.kernels));
    return runModule(device, module, task);
  };
}

async function runModule(device: Device, module: Module, { sizes: s, inputs, cotangent, ...task }: Task): Promise<Ran> {
  const sizes = wholeSequence(s.batch, s.tokens);
  const held = new Map<string, Buffer>();
  const hold = (name: string, data: Float32Array | Int32Array): void => {
    const storage = device.allocate(Math.max(data.byteLength, 4), name);
    device.write(storage, 0, data);
    held.set(name, wholeBuffer(storage, data instanceof Int32Array ? 'i32' : 'f32'));
  };
  for (const [name, data] of Object.entries(inputs)) hold(name, Float32Array.from(data));
  for (const [name, data] of Object.entries(module.tables(sizes, inputs))) hold(name, data);
  hold('d_output', Float32Array.from(cotangent));
  for (const { inputs: entryInputs } of Object.values(module.entries)) {
    for (const { name, accumulate, elements } of entryInputs) {
      if (accumulate && !held.has(name)) hold(name, new Float32Array(elements(sizes))); // begins at zero
    }
  }

  const results = new Map<string, Buffer>();
  const keep = (tape: Tape, name: string, from: Buffer): void => {
    const storage = device.allocate(Math.max(from.elements * bytesOfElement[from.type], 4), name);
    const place = wholeBuffer(storage, from.type);
    tape.copy(from, place);
    results.set(name, place);
  };
  const recorded = await device.record((tape) => {
    let atHand: Buffers = Object.fromEntries(held);
    for (const name of ['step', 'forward', 'backward', 'finish'] as const) {
      if (module.entries[name] === undefined) continue;
      const made = callEntry(tape, module, name, atHand);
      atHand = { ...atHand, ...made };
    }
    for (const name of task.outputs) if (atHand[name] !== undefined) keep(tape, name, atHand[name]);
    for (const name of task.gradients)
      if (atHand[`d_${name}`] !== undefined) keep(tape, `d_${name}`, atHand[`d_${name}`]!);
  }, sizes);
  device.run(recorded);
  const read = async (name: string): Promise<readonly [string, Float32Array][]> => {
    const buffer = results.get(name);
    if (buffer?.storage == null) return [];
    return [[name.replace(/^d_/, ''), new Float32Array(await device.read(buffer.storage, 0, buffer.elements * 4))]];
  };
  const all = async (names: readonly string[]) => new Map((await Promise.all(names.map(read))).flat());
  const ran = { outputs: await all(task.outputs), gradients: await all(task.gradients.map((name) => `d_${name}`)) };
  device.release(recorded);
  for (const { storage } of [...held.values(), ...results.values()]) if (storage !== null) device.free(storage);
  return ran;
}
