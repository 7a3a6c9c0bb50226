// A WebAssembly function while it is written: its locals, where its next action goes, and what is known of the kernel's names.

import type { Expression, KernelFunction, KernelSize, ValueType } from '../../codegen/kernel.ts';
import { get, number, op, type Action, type Local, type Value, type WasmType } from './ast.ts';

/** Memory that a kernel names, of elements of four bytes: the local that has its address. */
export interface Place {
  readonly address: string;
}

/** A local of the kernel that does not change while it is in scope. */
export interface Known {
  /** Loops around the place where it is set. */
  readonly depth: number;
  readonly nonNegative: boolean;
  /** What it stands for, where that is cheap to compute again as part of an address. */
  readonly form: Expression | null;
}

/** A loop that is being written. */
export interface OpenLoop {
  /** What is set before it. */
  readonly before: Action[];
  /** The locals that hold addresses, by what they are made of. */
  readonly addresses: Map<string, string>;
}

export interface Frame {
  /** Where actions go. */
  actions: Action[];
  /** Loops around it: over items, and those of the kernel from the outside in. */
  readonly loops: OpenLoop[];
  /** In front of names while a helper is written in place. */
  prefix: string;
  /** In the order of their first use. */
  readonly locals: Map<string, WasmType>;
  /** Temporaries in use: those of a statement are free again after it. */
  readonly temporaries: Record<WasmType, number>;
  readonly known: Map<string, Known>;
  readonly places: ReadonlyMap<string, Place>;
  /** Private arrays that are locals, one for each element or each four. */
  readonly registers: ReadonlySet<string>;
  readonly sizes: Set<KernelSize>;
  /** A helper of kernel IR on these values. */
  apply(of: KernelFunction, args: readonly Value[], frame: Frame): Value;
}

export function openFrame(given: Pick<Frame, 'places' | 'registers' | 'apply'>): Frame {
  return {
    ...given,
    actions: [],
    loops: [],
    prefix: '',
    locals: new Map(),
    temporaries: { i32: 0, f32: 0, v128: 0 },
    known: new Map(),
    sizes: new Set(),
  };
}

const wasmTypes: Readonly<Record<ValueType, WasmType>> = {
  f32: 'f32',
  i32: 'i32',
  bool: 'i32',
  f32x4: 'v128',
  i32x4: 'v128',
  boolx4: 'v128',
};
export const wasmType = (type: ValueType): WasmType => wasmTypes[type];

/** The local for a name of the kernel. Names of scopes beside each other may be alike with different types. */
export function localOf(name: string, type: WasmType, frame: Frame): string {
  const plain = frame.prefix + name;
  const wanted = (frame.locals.get(plain) ?? type) === type ? plain : `${plain}.${type}`;
  frame.locals.set(wanted, type);
  return wanted;
}

export const sizeLocal = (size: KernelSize, frame: Frame): Value => {
  frame.sizes.add(size);
  return get(`${size}.size`);
};

export const elementLocal = (array: string, index: number, type: WasmType, frame: Frame): string =>
  localOf(`${array}.${index}`, type, frame);

/** A new local for an address at a place. */
export function addressLocal(place: string, frame: Frame): string {
  let count = 1;
  while (frame.locals.has(`${place}.${count}`)) count += 1;
  frame.locals.set(`${place}.${count}`, 'i32');
  return `${place}.${count}`;
}

export function temporary(type: WasmType, frame: Frame): string {
  const name = `${type[0]!}.${frame.temporaries[type]}`;
  frame.temporaries[type] += 1;
  frame.locals.set(name, type);
  return name;
}

/** Runs something that may take temporaries, which are free afterwards. */
export function releasing(frame: Frame, run: () => void): void {
  const before = { ...frame.temporaries };
  run();
  Object.assign(frame.temporaries, before);
}

/** The actions that `write` makes. */
export function collect(frame: Frame, write: () => void): readonly Action[] {
  const outside = frame.actions;
  frame.actions = [];
  write();
  const made = frame.actions;
  frame.actions = outside;
  return made;
}

/** The value to be evaluated first, and the same once more. */
export function twice(value: Value, type: WasmType, frame: Frame): readonly [Value, Value] {
  if (value.kind === 'get' || value.kind === 'i32' || value.kind === 'f32' || value.kind === 'vector')
    return [value, value];
  const name = temporary(type, frame);
  return [{ kind: 'tee', name, value }, get(name)];
}

/** A local that has the value from now on. */
export function held(value: Value, type: WasmType, frame: Frame): Value {
  if (value.kind === 'get' || value.kind === 'i32' || value.kind === 'f32') return value;
  const name = temporary(type, frame);
  frame.actions.push({ kind: 'set', name, value });
  return get(name);
}

export const localsOf = (frame: Frame, parameters: readonly Local[] = []): readonly Local[] =>
  [...frame.locals]
    .filter(([name]) => !parameters.some((parameter) => parameter.name === name))
    .map(([name, type]): Local => ({ name, type }))
    .toSorted((a, b) => order.indexOf(a.type) - order.indexOf(b.type));

const order: readonly WasmType[] = ['i32', 'f32', 'v128'];

/** value + more, with what is constant folded. */
export function plus(a: Value, b: Value): Value {
  if (a.kind === 'i32' && b.kind === 'i32') return number((a.value + b.value) | 0);
  if (b.kind === 'i32' && b.value === 0) return a;
  if (a.kind === 'i32' && a.value === 0) return b;
  return op('i32.add', a, b);
}

/** A power of two is a shift. */
export function times(a: Value, factor: number): Value {
  if (factor === 1) return a;
  if (a.kind === 'i32') return number(Math.imul(a.value, factor));
  const shift = 31 - Math.clz32(factor);
  return factor > 0 && factor === 2 ** shift ? op('i32.shl', a, number(shift)) : op('i32.mul', a, number(factor | 0));
}
