// A kernel as a WebAssembly module: `run(begin, end, call, scratch)` does the items of work begin to end - 1. At `call` lie the
// sizes and the addresses of buffers (targets/device.ts), at `scratch` private arrays one after the other, each rounded up to 16 bytes.

import type { Expression, KernelBody, KernelSize, Statement, ValueType } from '../../codegen/kernel.ts';
import { ofSize } from '../../codegen/kernel-build.ts';
import { isVector } from '../../codegen/kernel-ops.ts';
import { withoutUnused } from '../../codegen/unused.ts';
import { eachExpression } from '../print.ts';
import { get, number, op, type Action, type Local, type Value, type WasmFunction, type WasmModule } from './ast.ts';
import { valueOf } from './expressions.ts';
import { collect, localsOf, openFrame, plus, times, type Frame, type Place } from './frame.ts';
import { openHelpers } from './helpers.ts';
import { withoutUnread } from './unread.ts';
import { writeOut } from './write-out.ts';
import { endOfItem, writeStatements } from './statements.ts';

/** In the order in which they lie at `call`. */
const sizesOfCall: readonly KernelSize[] = ['batch', 'tokens', 'keys', 'first', 'capacity'];

const parameters: readonly Local[] = ['item.begin', 'item.end', 'call', 'scratch'].map((name) => ({
  name,
  type: 'i32',
}));

export function moduleOf(body: KernelBody): WasmModule {
  if (body.workgroup !== 1) throw new Error(`${body.name}: an item of work has one lane, not ${body.workgroup}`);
  const statements = withoutUnused(writeOut(body.statements));
  const helpers = openHelpers();
  const registers = arraysInRegisters(body, statements);
  const frame = openFrame({ places: placesOf(body, registers), registers, apply: helpers.apply });
  frame.loops.push({ before: [], addresses: new Map() });
  const item = collect(frame, () => writeStatements(statements, frame));
  frame.loops.pop();
  const run: WasmFunction = {
    name: 'run',
    exported: true,
    parameters,
    body: [...prologue(body, registers, frame), ...overItems(item, statements)],
    locals: [],
    result: null,
  };
  const named: readonly Local[] = [...frame.sizes].map((size): Local => ({ name: `${size}.size`, type: 'i32' }));
  const addresses = [...frame.places.values()].map(({ address }): Local => ({ name: address, type: 'i32' }));
  const locals = [{ name: 'item.number', type: 'i32' } as const, ...named, ...addresses, ...localsOf(frame)];
  return { functions: [{ ...run, locals }, ...helpers.functions].map(withoutUnread) };
}

/** Arrays whose elements are read and written one by one, or in the same fours, at indices that are known. */
function arraysInRegisters({ arrays }: KernelBody, statements: readonly Statement[]): ReadonlySet<string> {
  const widths = new Map<string, number>(arrays.map(({ name }) => [name, 0]));
  const note = (array: string, index: Expression, type: ValueType, mask: Expression | undefined): void => {
    const width = isVector(type) ? 4 : 1;
    const isKnown = index.kind === 'literal' && index.type === 'i32' && index.value % width === 0 && mask === undefined;
    const before = widths.get(array);
    widths.set(array, isKnown && (before === 0 || before === width) ? width : inMemory);
  };
  eachExpression(statements, (e) => {
    if (e.kind === 'element') note(e.array, e.index, e.type, e.mask);
  });
  const stores = (all: readonly Statement[]): void => {
    for (const each of all) {
      if (each.kind === 'store-element') note(each.array, each.index, each.value.type, each.mask);
      if (each.kind === 'for') stores(each.body);
      if (each.kind === 'if') [each.then, each.otherwise].forEach(stores);
    }
  };
  stores(statements);
  return new Set(arrays.map(({ name }) => name).filter((name) => widths.get(name) !== inMemory));
}

const inMemory = -1;

function placesOf({ bindings, arrays, scratch = [] }: KernelBody, registers: ReadonlySet<string>): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const { name, type } of bindings) {
    if (type === 'bf16') throw new Error(`${name}: no bf16 on a CPU`);
    places.set(name, { address: `${name}.at` });
  }
  for (const { name } of arrays) if (!registers.has(name)) places.set(name, { address: `${name}.at` });
  for (const { name } of scratch) places.set(name, { address: `${name}.at` });
  return places;
}

/** Sizes and addresses into locals. */
function prologue(
  { bindings, arrays, scratch = [] }: KernelBody,
  registers: ReadonlySet<string>,
  frame: Frame,
): readonly Action[] {
  const set = (name: string, value: Value): Action => ({ kind: 'set', name, value });
  const word = (at: number): Value => ({ kind: 'load', op: 'i32.load', address: get('call'), offset: 4 * at });
  const buffers = bindings.map(({ name }, at) => set(`${name}.at`, word(sizesOfCall.length + at)));
  let next: Value = get('scratch');
  const own: Action[] = [];
  for (const { name, size } of arrays) {
    if (registers.has(name)) continue;
    own.push(set(`${name}.at`, next));
    next = plus(get(`${name}.at`), number(rounded(4 * size)));
  }
  for (const { name, size } of scratch) {
    own.push(set(`${name}.at`, next));
    const bytes = times(valueOf(ofSize(size), frame), 4);
    const whole =
      bytes.kind === 'i32' ? number(rounded(bytes.value)) : op('i32.and', plus(bytes, number(15)), number(-16));
    next = plus(get(`${name}.at`), whole);
  }
  const before = frame.actions.splice(0);
  const sizes = [...frame.sizes].map((size) => set(`${size}.size`, word(sizesOfCall.indexOf(size))));
  return [...sizes, ...buffers, ...before, ...own];
}

const rounded = (bytes: number): number => Math.ceil(bytes / 16) * 16;

function overItems(item: readonly Action[], statements: readonly Statement[]): readonly Action[] {
  const leaves = statements.some(
    (s) =>
      s.kind === 'return' || (s.kind === 'if' && [...s.then, ...s.otherwise].some(({ kind }) => kind === 'return')),
  );
  const once: readonly Action[] = leaves ? [{ kind: 'block', label: endOfItem, body: item }] : item;
  const next: Value = { kind: 'tee', name: 'item.number', value: op('i32.add', get('item.number'), number(1)) };
  const again: Action = { kind: 'branch', label: 'item', condition: op('i32.lt_s', next, get('item.end')) };
  const condition = op('i32.lt_s', get('item.begin'), get('item.end'));
  return [
    { kind: 'set', name: 'item.number', value: get('item.begin') },
    { kind: 'if', condition, yes: [{ kind: 'loop', label: 'item', body: [...once, again] }], no: [] },
  ];
}
