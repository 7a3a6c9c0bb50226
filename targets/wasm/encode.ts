// A WebAssembly module as data comes in, its bytes go out (binary format 1). Names of functions are kept, for stack traces.

import type { Action, Local, Value, WasmFunction, WasmModule } from './ast.ts';
import { codes, componentMemoryOps, componentOps, loadOps, plainOps, storeOps, type WasmType } from './operations.ts';

const types: Readonly<Record<WasmType, number>> = { i32: 0x7f, f32: 0x7d, v128: 0x7b };
const nothing = 0x40;
/** Pages of 64 KiB: 4 GiB. */
const mostPages = 65536;
/** log2 of the alignment that is promised: every access is of elements of four bytes. */
const alignment = 2;

export function encodeModule({ functions }: WasmModule): Uint8Array<ArrayBuffer> {
  const indices = new Map(functions.map(({ name }, index) => [name, index]));
  const signatures: string[] = [];
  const typeIndices = functions.map((of) => {
    const key = String.fromCharCode(...signature(of));
    if (!signatures.includes(key)) signatures.push(key);
    return signatures.indexOf(key);
  });
  const exported = functions.filter((of) => of.exported);
  const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  const bytes: number[] = [];
  section(bytes, 1, list(signatures.map((key) => [...key].map((letter) => letter.charCodeAt(0)))));
  // 0x02: a memory; 0x03: shared, with a maximum.
  section(bytes, 2, list([[...text('env'), ...text('memory'), 0x02, 0x03, ...unsigned(1), ...unsigned(mostPages)]]));
  section(bytes, 3, list(typeIndices.map(unsigned)));
  section(bytes, 7, list(exported.map(({ name }) => [...text(name), 0x00, ...unsigned(indices.get(name)!)])));
  section(bytes, 10, list(functions.map((of) => sized(encodeFunction(of, indices)))));
  const names = list(functions.map(({ name }, index) => [...unsigned(index), ...text(name)]));
  section(bytes, 0, [...text('name'), 0x01, ...sized(names)]);
  return Uint8Array.from([...header, ...fusedSection(bytes), ...bytes]);
}

/** Added to an instruction that a device may replace (device/fused.ts); a byte forgets it. */
const replaceable = 0x100;

/** Where products and the sums that they are added to stand, in the bytes after this section: 32 bits each. */
function fusedSection(bytes: readonly number[]): readonly number[] {
  const places = bytes.flatMap((byte, at) => (byte >= replaceable ? [...wordOf('i32', at)] : []));
  const made: number[] = [];
  if (places.length > 0) section(made, 0, [...text('fused'), ...places]);
  return made;
}

const signature = ({ parameters, result }: WasmFunction): readonly number[] => [
  0x60,
  ...list(parameters.map(({ type }) => [types[type]])),
  ...list(result === null ? [] : [[types[result.type]]]),
];

function encodeFunction(of: WasmFunction, functions: ReadonlyMap<string, number>): readonly number[] {
  const ordered = [...of.parameters, ...of.locals];
  const writer: Writer = {
    out: [...list(runsOf(of.locals))],
    locals: new Map(ordered.map(({ name }, index) => [name, index])),
    functions,
    labels: [],
  };
  if (writer.locals.size !== ordered.length) throw new Error(`${of.name}: two locals have one name`);
  actions(of.body, writer);
  if (of.result !== null) value(of.result.value, writer);
  writer.out.push(codes.end);
  return writer.out;
}

/** Neighbouring locals of one type are declared together. */
function runsOf(locals: readonly Local[]): readonly (readonly number[])[] {
  const runs: { type: WasmType; count: number }[] = [];
  for (const { type } of locals) {
    const last = runs.at(-1);
    if (last?.type === type) last.count += 1;
    else runs.push({ type, count: 1 });
  }
  return runs.map(({ type, count }) => [...unsigned(count), types[type]]);
}

interface Writer {
  readonly out: number[];
  readonly locals: ReadonlyMap<string, number>;
  readonly functions: ReadonlyMap<string, number>;
  /** Of what stands around, the innermost last; '' for what nobody branches to. */
  readonly labels: string[];
}

function actions(all: readonly Action[], writer: Writer): void {
  const { out, labels } = writer;
  for (const action of all) {
    switch (action.kind) {
      case 'set':
        if (!addedProduct(action, writer)) value(action.value, writer);
        out.push(codes['local.set'], ...indexOf(writer.locals, action.name));
        break;
      case 'store':
        value(action.address, writer);
        value(action.value, writer);
        code(out, storeOps[action.op]);
        out.push(alignment, ...unsigned(action.offset));
        break;
      case 'store-component':
        value(action.address, writer);
        value(action.value, writer);
        code(out, componentMemoryOps['v128.store32_lane']);
        out.push(alignment, ...unsigned(action.offset), action.component);
        break;
      case 'if':
        value(action.condition, writer);
        out.push(codes.if, nothing);
        labels.push('');
        actions(action.yes, writer);
        if (action.no.length > 0) {
          out.push(codes.else);
          actions(action.no, writer);
        }
        labels.pop();
        out.push(codes.end);
        break;
      case 'loop':
      case 'block':
        out.push(codes[action.kind], nothing);
        labels.push(action.label);
        actions(action.body, writer);
        labels.pop();
        out.push(codes.end);
        break;
      case 'branch': {
        const at = labels.lastIndexOf(action.label);
        if (at < 0) throw new Error(`no label ${action.label}`);
        if (action.condition !== null) value(action.condition, writer);
        out.push(action.condition === null ? codes.br : codes.br_if, ...unsigned(labels.length - 1 - at));
        break;
      }
      case 'comment':
        break;
      default:
        action satisfies never;
    }
  }
}

function value(of: Value, writer: Writer): void {
  const { out } = writer;
  const all = (args: readonly Value[]): void => args.forEach((each) => value(each, writer));
  switch (of.kind) {
    case 'i32':
      out.push(codes['i32.const'], ...signed(of.value));
      break;
    case 'f32':
      out.push(codes['f32.const'], ...wordOf('f32', of.value));
      break;
    case 'vector':
      code(out, codes['v128.const']);
      for (const each of of.values) out.push(...wordOf(of.of, each));
      break;
    case 'get':
      out.push(codes['local.get'], ...indexOf(writer.locals, of.name));
      break;
    case 'tee':
      value(of.value, writer);
      out.push(codes['local.tee'], ...indexOf(writer.locals, of.name));
      break;
    case 'op':
      all(of.args);
      code(out, plainOps[of.op]);
      break;
    case 'component':
      all(of.args);
      code(out, componentOps[of.op]);
      out.push(of.component);
      break;
    case 'shuffle':
      all(of.args);
      code(out, codes['i8x16.shuffle']);
      for (const word of of.words) out.push(4 * word, 4 * word + 1, 4 * word + 2, 4 * word + 3);
      break;
    case 'load':
      value(of.address, writer);
      code(out, loadOps[of.op]);
      out.push(alignment, ...unsigned(of.offset));
      break;
    case 'load-component':
      value(of.address, writer);
      value(of.into, writer);
      code(out, componentMemoryOps['v128.load32_lane']);
      out.push(alignment, ...unsigned(of.offset), of.component);
      break;
    case 'call':
      all(of.args);
      out.push(codes.call, ...indexOf(writer.functions, of.name));
      break;
    case 'choose':
      value(of.condition, writer);
      out.push(codes.if, types[of.type]);
      value(of.yes, writer);
      out.push(codes.else);
      value(of.no, writer);
      out.push(codes.end);
      break;
    default:
      of satisfies never;
  }
}

/** sum = sum + a * b, with the factors first, so that one instruction may take all three. */
function addedProduct({ name, value: sum }: Extract<Action, { kind: 'set' }>, writer: Writer): boolean {
  if (sum.kind !== 'op' || sum.op !== 'f32x4.add') return false;
  const [before, product] = sum.args;
  if (before?.kind !== 'get' || before.name !== name) return false;
  if (product?.kind !== 'op' || product.op !== 'f32x4.mul') return false;
  product.args.forEach((each) => value(each, writer));
  replaceableCode(writer.out, plainOps['f32x4.mul']);
  value(before, writer);
  replaceableCode(writer.out, plainOps['f32x4.add']);
  return true;
}

function replaceableCode(out: number[], of: number): void {
  const at = out.length;
  code(out, of);
  out[at]! += replaceable;
}

/** An instruction without what follows it. */
function code(out: number[], of: number): void {
  if (of < 0x100) out.push(of);
  else out.push(of >> 8, ...unsigned(of & 0xff));
}

function indexOf(names: ReadonlyMap<string, number>, name: string): readonly number[] {
  const index = names.get(name);
  if (index === undefined) throw new Error(`${name} is not declared`);
  return unsigned(index);
}

function wordOf(type: 'i32' | 'f32', of: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(4));
  if (type === 'f32') view.setFloat32(0, of, true);
  else view.setInt32(0, of, true);
  return new Uint8Array(view.buffer);
}

/** LEB128: seven bits a byte, the lowest first. */
function unsigned(of: number): readonly number[] {
  const bytes: number[] = [];
  let rest = of;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}

function signed(of: number): readonly number[] {
  const bytes: number[] = [];
  for (let rest = of | 0; ; rest >>= 7) {
    const last = rest >> 6 === 0 || rest >> 6 === -1;
    bytes.push((rest & 0x7f) | (last ? 0 : 0x80));
    if (last) return bytes;
  }
}

const text = (of: string): readonly number[] => sized([...new TextEncoder().encode(of)]);
const sized = (bytes: readonly number[]): readonly number[] => [...unsigned(bytes.length), ...bytes];
const list = (items: readonly (readonly number[])[]): readonly number[] => [...unsigned(items.length), ...items.flat()];

function section(bytes: number[], id: number, content: readonly number[]): void {
  bytes.push(id, ...unsigned(content.length));
  for (const byte of content) bytes.push(byte);
}
