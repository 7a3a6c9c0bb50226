// The safetensors container, read strictly and written reproducibly: 8 bytes of header length, a JSON header padded
// with spaces, then the tensors' bytes without gaps. Whatever does not fit the format exactly is refused with the reason.

import { TrainerError } from './error.ts';

const sizes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;
type StoredType = keyof typeof sizes;

export interface Stored {
  readonly type: StoredType;
  readonly shape: readonly number[];
  readonly data: Uint8Array; // little endian
}

export interface Safetensors {
  readonly tensors: ReadonlyMap<string, Stored>;
  readonly metadata: ReadonlyMap<string, string>;
}

const longestHeader = 100_000_000;

const refuse = (why: string): never => {
  throw new TrainerError('checkpoint', `not a safetensors file: ${why}`);
};

export function readSafetensors(file: Uint8Array): Safetensors {
  if (file.byteLength < 8) refuse(`it has ${file.byteLength} bytes`);
  const length = new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(longestHeader)) refuse(`its header would be ${length} bytes long`);
  if (length > BigInt(file.byteLength - 8)) refuse('it ends inside its header');
  const body = file.subarray(8 + Number(length));
  const header = parseHeader(file.subarray(8, 8 + Number(length)));
  const tensors = new Map<string, Stored>();
  let metadata: ReadonlyMap<string, string> = new Map();
  const entries: { name: string; type: StoredType; shape: readonly number[]; begin: number; end: number }[] = [];
  for (const [name, value] of header) {
    if (name === '__metadata__') metadata = parseMetadata(value);
    else entries.push({ name, ...parseEntry(name, value) });
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, type, shape, begin, end } of entries) {
    if (begin !== at) refuse(`'${name}' begins at byte ${begin}, not at ${at}: a gap or an overlap`);
    if (end > body.byteLength) refuse(`'${name}' ends past the end of the file`);
    tensors.set(name, { type, shape, data: body.subarray(begin, end) });
    at = end;
  }
  if (at !== body.byteLength) refuse(`${body.byteLength - at} bytes belong to no tensor`);
  return { tensors, metadata };
}

function parseHeader(bytes: Uint8Array): [string, unknown][] {
  if (bytes[0] !== 0x7b) refuse("its header does not start with '{'");
  let text = '';
  let parsed: unknown = null;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    parsed = JSON.parse(text);
  } catch {
    refuse('its header is not JSON in UTF-8');
  }
  const twice = duplicateKey(text);
  if (twice !== null) refuse(`its header has the name ${twice} twice`);
  return Object.entries(parsed as object);
}

/** The first key that an object of valid JSON has twice; JSON.parse would silently keep the last. */
function duplicateKey(text: string): string | null {
  const open: (Set<string> | null)[] = []; // one for each object or array around
  let pending: string | null = null;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]/g)) {
    const keys = open.at(-1);
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':' && keys && pending !== null) {
      const key = JSON.parse(pending) as string;
      if (keys.has(key)) return pending;
      keys.add(key);
    }
    pending = token.startsWith('"') ? token : null;
  }
  return null;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function parseMetadata(value: unknown): ReadonlyMap<string, string> {
  if (!isRecord(value)) return refuse('its metadata is no object');
  const entries = Object.entries(value);
  for (const [key, text] of entries) if (typeof text !== 'string') refuse(`its metadata '${key}' is no string`);
  return new Map(entries as [string, string][]);
}

function parseEntry(
  name: string,
  value: unknown,
): { type: StoredType; shape: readonly number[]; begin: number; end: number } {
  if (!isRecord(value)) return refuse(`'${name}' is no object`);
  const { dtype, shape, data_offsets: offsets, ...more } = value;
  for (const key of Object.keys(more)) refuse(`'${name}' has an unknown field '${key}'`);
  if (typeof dtype !== 'string' || !Object.hasOwn(sizes, dtype)) return refuse(`'${name}' has an unknown type`);
  if (!Array.isArray(shape) || !shape.every(isCount)) return refuse(`'${name}' has no valid shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    return refuse(`'${name}' has no valid data_offsets`);
  }
  const [begin, end] = offsets as [number, number];
  const type = dtype as StoredType;
  const needed = (shape as number[]).reduce((total, extent) => total * BigInt(extent), BigInt(sizes[type]));
  if (end < begin || BigInt(end - begin) !== needed) {
    refuse(`'${name}' has ${end - begin} bytes, and its shape and type need ${needed}`);
  }
  return { type, shape: shape as number[], begin, end };
}

/** The bytes of a file with these tensors, in this order, in pieces. */
export function safetensorsPieces(file: Safetensors): Uint8Array[] {
  const header: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  if (file.metadata.size > 0) header['__metadata__'] = Object.fromEntries(file.metadata);
  let at = 0;
  for (const [name, { type, shape, data }] of file.tensors) {
    if (name === '__metadata__') throw new Error("a tensor may not be called '__metadata__'");
    header[name] = { dtype: type, shape, data_offsets: [at, at + data.byteLength] };
    at += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(json, 8);
  return [padded, ...[...file.tensors.values()].map((tensor) => tensor.data)];
}

export const storeFloats = (data: Float32Array, shape: readonly number[]): Stored => ({
  type: 'F32',
  shape,
  data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
});

/** A tensor's numbers as a copy, wherever it lay in the file. */
export function floatsOf(name: string, tensor: Stored): Float32Array {
  if (tensor.type !== 'F32') {
    throw new TrainerError('checkpoint', `'${name}' is stored as ${tensor.type}, and F32 is needed`);
  }
  return new Float32Array(Uint8Array.from(tensor.data).buffer); // a Node Buffer's slice would be a view
}
