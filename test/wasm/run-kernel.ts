// Runs one kernel as WebAssembly on this thread: buffers by name come in and are changed in place, as the simulator does. Around every
// buffer lie bytes that nobody may change.

import type { KernelBody, KernelSizes, Size } from '../../codegen/kernel.ts';
import { evaluateSize } from '../../codegen/plan/size.ts';
import { encodeModule } from '../../targets/wasm/encode.ts';
import { moduleOf } from '../../targets/wasm/module.ts';

type Data = Float32Array | Int32Array;

export interface WasmKernel {
  /** Memory that a module imports; what is asked for lies in it afterwards. */
  run(begin: number, end: number, call: number, scratch: number): void;
}

export const pages = (bytes: number): number => Math.ceil(bytes / 65536);

/** The module on a memory of so many bytes. */
export function instantiate(
  code: BufferSource | KernelBody,
  bytes: number,
): { readonly memory: WebAssembly.Memory; readonly kernel: WasmKernel } {
  const memory = new WebAssembly.Memory({ initial: Math.max(pages(bytes), 1), maximum: 65536, shared: true });
  const module = new WebAssembly.Module('statements' in code ? encodeModule(moduleOf(code)) : code);
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return { memory, kernel: { run: exports['run'] as WasmKernel['run'] } };
}

/** Bytes of private memory, as every array lay there. */
export function scratchBytes({ arrays, scratch = [] }: KernelBody, sizes: KernelSizes): number {
  const whole = (bytes: number): number => Math.ceil(bytes / 16) * 16;
  const held = arrays.map(({ size }) => whole(4 * size));
  const asked = scratch.map(({ size }) => whole(4 * evaluateSize(size, sizes)));
  return [...held, ...asked].reduce((all, each) => all + each, 0);
}

const guard = 256;
const guardWord = 0x7fc12345; // a NaN

export function runWasm(
  body: KernelBody,
  groups: number | Size,
  buffers: Readonly<Record<string, Data>>,
  sizes: KernelSizes,
): void {
  const call = guard;
  const addresses: number[] = [];
  let next = 4 * guard;
  for (const { name } of body.bindings) {
    addresses.push(next);
    next += Math.ceil(buffers[name]!.byteLength / guard) * guard + guard;
  }
  const scratch = next;
  const total = scratch + scratchBytes(body, sizes) + guard;
  const { memory, kernel } = instantiate(body, total);
  const words = new Int32Array(memory.buffer);
  words.fill(guardWord, 0, total / 4);
  const { batch, tokens, keys, first, capacity } = sizes;
  words.set([batch, tokens, keys, first, capacity, ...addresses], call / 4);
  const view = (at: number): Data => {
    const given = buffers[body.bindings[at]!.name]!;
    const make = given instanceof Float32Array ? Float32Array : Int32Array;
    return new make(memory.buffer, addresses[at]!, given.length);
  };
  body.bindings.forEach(({ name }, at) => view(at).set(buffers[name]!));
  kernel.run(0, typeof groups === 'number' ? groups : evaluateSize(groups, sizes), call, scratch);
  body.bindings.forEach(({ name }, at) => {
    buffers[name]!.set(view(at));
    const end = addresses[at]! + buffers[name]!.byteLength;
    const after = (at + 1 < addresses.length ? addresses[at + 1]! : scratch) / 4;
    for (let word = Math.ceil(end / 4); word < after; word += 1) {
      if (words[word] !== guardWord)
        throw new Error(`${body.name}: ${name} is written ${4 * word - end} bytes after its end`);
    }
  });
  for (let word = 0; word < call / 4; word += 1)
    if (words[word] !== guardWord) throw new Error(`${body.name}: word ${word} of memory is written`);
}
