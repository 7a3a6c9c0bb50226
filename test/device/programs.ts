// Programs of one kernel each, in the tensor IR, compiled for the language of a device; and buffers to run them on.

import { compileProgram } from '../../src/compile.ts';
import { at, axis, call, defined, given, integer, map, program, read, readAt, real, size } from '../../src/ir/build.ts';
import type { Axis, Program, Scalar, Tensor } from '../../src/ir/ir.ts';
import { loadModule } from '../../src/load-module.ts';
import { bytesOfElement } from '../../targets/device.ts';
import type { Buffer, Device, Kernel, Language, StorageType, Tape } from '../../targets/device.ts';

const token = (): Axis => axis('t', 'tokens', 'token');

/** made[t], of a scalar at t. */
function pointwise(name: string, inputs: readonly Tensor[], type: Tensor['type'], body: (t: Axis) => Scalar): Program {
  const t = token();
  const made = defined('made', [t], type);
  return program({ name, inputs, definitions: [map(made, body(t))], results: { made } });
}

/** made[t] = factor input[t] + tokens */
export function scaled(factor: number): Program {
  const input = given('input', [token()], 'operand');
  return pointwise(`scaled_by_${factor}`, [input], 'real', (t) =>
    call('add', call('multiply', real(factor), read(input, [at(t)])), call('real', size('tokens'))),
  );
}

/** made[t] = sin(input[t]) exp(input[t]) / 3: bits that depend on how it is computed */
export function curved(): Program {
  const input = given('input', [token()], 'operand');
  return pointwise('curved', [input], 'real', (t) => {
    const value = read(input, [at(t)]);
    return call('divide', call('multiply', call('sin', value), call('exp', value)), real(3));
  });
}

/** made[t] = 2 input[tokens - 1 - t]: where both were one memory, it would read what it has written */
export function backwards(): Program {
  const input = given('input', [token()], 'operand');
  return pointwise('backwards', [input], 'real', (t) => {
    const from = call('subtract', call('subtract', size('tokens'), integer(1)), at(t));
    return call('multiply', real(2), read(input, [from], 0));
  });
}

export const rowsOfTable = 8;

/** made[t] = table[index[t]], and 0 where there is no such row */
export function looked(): Program {
  const table = given('table', [axis('n', rowsOfTable)], 'operand');
  const index = given('index', [token()], 'operand', 'integer');
  return pointwise('looked', [table, index], 'real', (t) => read(table, [read(index, [at(t)])], 0));
}

/** made[t] = max(input[t], -5) mod 7, in integers */
export function counted(): Program {
  const input = given('input', [token()], 'operand', 'integer');
  return pointwise('counted', [input], 'integer', (t) =>
    call('mod', call('max', read(input, [at(t)]), integer(-5)), integer(7)),
  );
}

/** made[b, t] = input[b, t] + the batch's first value */
export function batched(): Program {
  const [b, t] = [axis('b', 'batch', 'batch'), token()];
  const input = given('input', [b, t], 'operand');
  const made = defined('made', [b, t]);
  const body = call('add', readAt(input), read(input, [at(b), integer(0)]));
  return program({ name: 'batched', inputs: [input], definitions: [map(made, body)], results: { made } });
}

/** The program's only kernel. */
export async function kernelOf(made: Program, language: Language): Promise<Kernel> {
  const options = { outputs: ['made'], gradients: [] };
  const { kernels } = await loadModule(await compileProgram(made, options, { target: language, precision: 'f32' }));
  const [kernel, ...more] = Object.values(kernels);
  if (kernel === undefined || more.length > 0)
    throw new Error(`${made.name} has ${Object.keys(kernels).length} kernels, not one`);
  return kernel;
}

/** Launches a kernel on buffers by the names of the program's tensors. */
export function launch(tape: Tape, kernel: Kernel, buffers: Readonly<Record<string, Buffer>>): void {
  tape.launch(
    kernel,
    kernel.bindings.map(({ name }) => {
      const buffer = buffers[name.replace(/_\d+$/, '')]; // a tensor named as its kernel has a number
      if (buffer === undefined) throw new Error(`${kernel.name} wants '${name}'`);
      return buffer;
    }),
  );
}

export const whole = (device: Device, elements: number, name: string, type: StorageType = 'f32'): Buffer => ({
  name,
  elements,
  type,
  storage: device.allocate(elements * bytesOfElement[type], name),
  offset: 0,
});

/** A buffer with these numbers. */
export function holding(device: Device, name: string, numbers: Float32Array | Int32Array): Buffer {
  const buffer = whole(device, numbers.length, name, numbers instanceof Int32Array ? 'i32' : 'f32');
  device.write(buffer.storage!, 0, numbers);
  return buffer;
}

const bytesOf = (device: Device, { storage, offset, elements, type }: Buffer): Promise<ArrayBuffer> =>
  device.read(storage!, offset * bytesOfElement[type], elements * bytesOfElement[type]);

export const floats = async (device: Device, buffer: Buffer): Promise<number[]> => [
  ...new Float32Array(await bytesOf(device, buffer)),
];

export const integers = async (device: Device, buffer: Buffer): Promise<number[]> => [
  ...new Int32Array(await bytesOf(device, buffer)),
];
