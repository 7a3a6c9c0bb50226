// A device and modules that the float64 interpreter runs: the model, the optimizer and the loop are tested with it
// before any kernel. A recorded list is a list of closures over float64 arrays.

import type { PlanOptions } from '../../codegen/plan/plan.ts';
import { reverse } from '../../src/autodiff/reverse.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import { given } from '../../src/ir/build.ts';
import type { Axis, Program, Tensor } from '../../src/ir/ir.ts';
import type { Buffer, Device, DeviceBuffer, Entry, Module, Recorded, Sizes, Tape } from '../../targets/device.ts';

type Numbers = Float64Array | Float32Array;

const arrays = new WeakMap<object, Numbers>();

/** A buffer's numbers, as a view that can be written. */
function numbers(buffer: Buffer): Numbers {
  const all = arrays.get(buffer.storage ?? buffer);
  if (all === undefined) throw new Error(`${buffer.name} is of no device`);
  return all.subarray(buffer.offset, buffer.offset + buffer.elements);
}

interface Run extends Recorded {
  readonly actions: readonly (() => void)[];
}

type ActionTape = Tape & { readonly actions: (() => void)[] };

function openTape(sizes: Sizes, actions: (() => void)[]): ActionTape {
  return {
    sizes,
    actions,
    at: (other) => openTape(other, actions),
    temporary(name, elements, type = 'f32') {
      const buffer = { name, elements, type, storage: null, offset: 0 };
      arrays.set(buffer, new Float64Array(elements).fill(NaN)); // as undefined as a device's
      return buffer;
    },
    launch() {
      throw new Error('there are no kernels here');
    },
    clear: (buffer) => actions.push(() => numbers(buffer).fill(0)),
    copy(from, to) {
      if (from.elements !== to.elements) throw new Error(`${from.name} and ${to.name} differ in size`);
      if (from.storage !== null && from.storage === to.storage) throw new Error('a copy within one buffer');
      actions.push(() => numbers(to).set(numbers(from)));
    },
  };
}

export interface InterpretedDevice extends Device {
  readonly allocated: () => number;
}

/** `single`: what stays on the device has float32 numbers, as on a real one, so that a checkpoint loses nothing. */
export function interpretedDevice(options: { maxBufferBytes?: number; single?: boolean } = {}): InterpretedDevice {
  const { maxBufferBytes = 2 ** 30, single = false } = options;
  let allocated = 0;
  return {
    name: 'interpreted',
    language: 'wgsl',
    description: 'the float64 interpreter',
    profile: 'software',
    maxBufferBytes,
    allocated: () => allocated,
    prepare: async () => undefined,
    allocate(bytes, label) {
      const buffer: DeviceBuffer = { label, bytes };
      arrays.set(buffer, single ? new Float32Array(bytes / 4) : new Float64Array(bytes / 4));
      allocated += 1;
      return buffer;
    },
    free: () => void (allocated -= 1),
    write(buffer, offset, data) {
      const values = data instanceof Float32Array || data instanceof Int32Array ? data : null;
      if (values === null || offset % 4 !== 0) throw new Error('float32 or int32 is written here');
      arrays.get(buffer)!.set(values, offset / 4);
    },
    async record(build, sizes) {
      const actions: (() => void)[] = [];
      build(openTape(sizes, actions));
      return { launches: actions.length, bytes: 0, actions } as Run;
    },
    run: (recorded) => (recorded as Run).actions.forEach((action) => action()),
    release: () => undefined,
    read: async (buffer, offset, bytes) =>
      Float32Array.from(arrays.get(buffer)!.subarray(offset / 4, (offset + bytes) / 4)).buffer,
    profileRun: async () => null,
    close: async () => undefined,
  };
}

/** The float64 numbers of a device's buffer, which `read` would round. */
export const exactly = (buffer: Buffer): Numbers => numbers(buffer).slice();

const count = (axes: readonly Axis[], sizes: Sizes): number =>
  axes.reduce((product, { extent }) => product * (typeof extent === 'number' ? extent : sizes[extent]), 1);

const parameterOf = (name: string, axes: readonly Axis[]) => ({
  name,
  comment: name,
  type: 'f32' as const,
  elements: (sizes: Sizes) => count(axes, sizes),
});

interface EntryProgram {
  readonly program: Program;
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Inputs of the entry; `accumulate` are also outputs. */
  readonly inputs: readonly Tensor[];
  readonly accumulate: ReadonlyMap<string, Tensor>;
}

function makeEntry(
  name: string,
  e: EntryProgram,
): { entry: Entry; run: (tape: Tape, at: Record<string, Buffer>) => Record<string, Buffer> } {
  const plain = [...e.outputs].filter(([output]) => !e.accumulate.has(output));
  const entry: Entry = {
    inputs: [
      ...e.inputs.map((tensor) => ({ ...parameterOf(tensor.name, tensor.axes), accumulate: false })),
      ...[...e.accumulate].map(([input, tensor]) => ({ ...parameterOf(input, tensor.axes), accumulate: true })),
    ],
    outputs: plain.map(([output, tensor]) => ({ ...parameterOf(output, tensor.axes), saved: false, aliases: null })),
  };
  const run = (tape: Tape, at: Record<string, Buffer>): Record<string, Buffer> => {
    const { sizes } = tape;
    for (const input of entry.inputs) {
      const buffer = at[input.name];
      if (buffer?.elements !== input.elements(sizes)) {
        throw new Error(`${name}: ${input.name} has ${buffer?.elements} elements, not ${input.elements(sizes)}`);
      }
    }
    const made = Object.fromEntries(
      entry.outputs.map((output) => [output.name, tape.temporary(output.name, output.elements(sizes))]),
    );
    (tape as ActionTape).actions.push(() => {
      const values = Object.fromEntries(e.inputs.map((tensor) => [tensor.name, numbers(at[tensor.name]!)]));
      const results = interpret(e.program, { batch: sizes.batch, tokens: sizes.tokens }, values);
      for (const [output, tensor] of e.outputs) {
        const result = results.get(tensor.name)!;
        if (!e.accumulate.has(output)) numbers(made[output]!).set(result);
        else numbers(at[output]!).forEach((value, n, all) => (all[n] = value + result[n]!));
      }
    });
    return made;
  };
  return { entry, run };
}

/** A module of attention that takes query, key and value in one buffer, and gives their gradients in another. */
export function sideBySide(
  module: Module,
  { heads, kv_heads, head_dim }: { heads: number; kv_heads: number; head_dim: number },
): Module {
  const ends = { query: heads, key: kv_heads, value: kv_heads };
  const width = (heads + 2 * kv_heads) * head_dim;
  /** For each point the elements of one end: where they are among all, and in the end's own buffer. */
  const eachRun = (all: Buffer, visit: (end: string, from: number, to: number, length: number) => void): void => {
    for (let point = 0; point < all.elements / width; point += 1) {
      let from = point * width;
      for (const [end, rows] of Object.entries(ends)) {
        visit(end, from, point * rows * head_dim, rows * head_dim);
        from += rows * head_dim;
      }
    }
  };
  const apart = (tape: Tape, all: Buffer): Record<string, Buffer> => {
    const made = Object.fromEntries(
      Object.entries(ends).map(([end, rows]) => [end, tape.temporary(end, (all.elements / width) * rows * head_dim)]),
    );
    (tape as ActionTape).actions.push(() =>
      eachRun(all, (end, from, to, length) => numbers(made[end]!).set(numbers(all).subarray(from, from + length), to)),
    );
    return made;
  };
  const together = (tape: Tape, made: Record<string, Buffer>): Buffer => {
    const all = tape.temporary(
      'd_qkv',
      Object.keys(ends).reduce((sum, end) => sum + made[`d_${end}`]!.elements, 0),
    );
    (tape as ActionTape).actions.push(() =>
      eachRun(all, (end, to, from, length) =>
        numbers(all).set(numbers(made[`d_${end}`]!).subarray(from, from + length), to),
      ),
    );
    return all;
  };
  const isEnd = ({ name }: { name: string }): boolean =>
    Object.keys(ends).some((end) => [end, `d_${end}`].includes(name));
  const parameter = (name: string) => ({
    ...parameterOf(name, []),
    elements: ({ batch, tokens }: Sizes) => batch * tokens * width,
  });
  const inputsOf = ({ inputs }: Entry): Entry['inputs'] => [
    ...inputs.filter((input) => !isEnd(input)),
    { ...parameter('qkv'), accumulate: false },
  ];
  const { forward, backward } = module.entries as { forward: Entry; backward: Entry };
  return {
    ...module,
    entries: {
      ...module.entries,
      forward: { ...forward, inputs: inputsOf(forward) },
      backward: {
        inputs: inputsOf(backward),
        outputs: [
          ...backward.outputs.filter((made) => !isEnd(made)),
          { ...parameter('d_qkv'), saved: false, aliases: null },
        ],
      },
    },
    forward: (tape, at) => module.forward(tape, { ...at, ...apart(tape, at['qkv']!) }),
    backward: (tape, at) => {
      const made = module.backward!(tape, { ...at, ...apart(tape, at['qkv']!) });
      return { ...made, d_qkv: together(tape, made) };
    },
  };
}

/** What buildPlan and the glue would make of a program, run by the interpreter. */
export function interpretedModule(
  program: Program,
  options: Partial<PlanOptions>,
  more: Partial<Module> = {},
  prefix: { forward: 'forward' | 'embed' | 'input'; backward: 'backward' | 'embed_backward' | 'input_backward' } = {
    forward: 'forward',
    backward: 'backward',
  },
): Module {
  const outputs = new Map((options.outputs ?? ['output']).map((name) => [name, program.results.get(name)!]));
  const forward = makeEntry(program.name, { program, outputs, inputs: program.inputs, accumulate: new Map() });
  const entries: Record<string, Entry> = { [prefix.forward]: forward.entry };
  const functions: Record<string, unknown> = { [prefix.forward]: forward.run };
  const wanted = (options.gradients ?? []).flatMap((name) => program.inputs.filter((input) => input.name === name));
  if (wanted.length > 0) {
    const seeds = new Map(
      (options.seeds ?? ['output']).map((name) => {
        const of = program.results.get(name)!;
        return [of, given(`d_${name}`, of.axes, 'cotangent')] as const;
      }),
    );
    const reversed = reverse(program, seeds, wanted);
    const gradients = new Map(
      wanted.flatMap(({ name }) => {
        const tensor = reversed.results.get(`d_${name}`);
        return tensor === undefined ? [] : [[`d_${name}`, tensor] as const];
      }),
    );
    const sums = new Map([...gradients].filter(([name]) => (options.accumulate ?? []).includes(name.slice(2))));
    const parts = { program: reversed, outputs: gradients, inputs: reversed.inputs, accumulate: sums };
    const backward = makeEntry(`${program.name} backward`, parts);
    entries[prefix.backward] = backward.entry;
    functions[prefix.backward] = backward.run;
  }
  return {
    name: program.name,
    source: { file: program.name, sha256: '' },
    geometry: {},
    learned: [],
    kernels: {},
    tables: () => ({}),
    ...functions,
    ...more,
    entries: { ...entries, ...more.entries },
  } as Module;
}
