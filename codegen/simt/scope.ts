// One kernel while it is being written: a stack of blocks that statements go to, names, bindings, and where tensors lie.
// Lowering writes expressions as trees; share.ts binds what is used twice once the kernel is complete.

import type { Axis, Extent, Scalar, Tensor } from '../../src/ir/ir.ts';
import type { Binding, Expression, KernelBody, KernelFunction, Size, Statement, ValueType } from '../kernel.ts';
import {
  add,
  element,
  i32,
  letOf,
  load,
  local,
  multiply,
  sizeOf,
  store,
  storeElement,
  subtract,
  toI32,
  varOf,
} from '../kernel-build.ts';
import { expandOp } from '../math.ts';
import type { BufferPlan } from '../plan/plan.ts';

/** whole: first = 0 and keys = capacity = tokens, as in training. decode: token rows start at `first`. */
export type Mode = 'whole' | 'decode';

/** Where tensors lie: each buffer belongs to one tensor or, in place, to several. */
export type Storage = ReadonlyMap<Tensor, BufferPlan>;

/** Where a tensor begins in a buffer of several, along the third axis, and how many rows of that axis the buffer has. */
export interface Place {
  readonly offset: number;
  readonly rows: number;
}

/** Tensors that share a buffer; all others have theirs alone. */
export type Places = ReadonlyMap<Tensor, Place>;

/** A tensor of which an item has a block of queries in memory of its own: some of its axes, the query innermost. */
export interface Strip {
  readonly array: string;
  readonly axes: readonly number[];
  readonly query: number;
  readonly rows: number;
}

/** Points that lanes are numbered by: flat index = row-major over `axes`. */
export interface Grid {
  readonly axes: readonly Axis[];
  /** The index along each axis from 0; prefix[k]: the flat index over the first k axes. */
  readonly local: readonly Expression[];
  readonly prefix: readonly Expression[];
}

export interface Scope {
  readonly mode: Mode;
  /** Lanes of a workgroup. */
  readonly lanes: number;
  fresh(wanted: string): string;
  emit(...statements: readonly Statement[]): void;
  /** Statements emitted while `build` runs. */
  block(build: () => void): Statement[];
  buffer(tensor: Tensor, write: boolean): string;
  bind(wanted: string, value: Expression): Expression;
  variable(wanted: string, value: Expression): Expression;
  shared(wanted: string, type: ValueType, size: number): string;
  array(wanted: string, type: ValueType, size: number): string;
  /** Private memory of a size known at run time, on a CPU. */
  scratch(wanted: string, type: 'f32' | 'i32', size: Size): string;
  /** A name for the value, should it be bound. */
  hint(value: Expression, name: string): Expression;
  readonly hints: ReadonlyMap<Expression, string>;
  /** Loads of what this kernel also writes are bound at once. */
  isWritten(tensor: Tensor): boolean;
  readonly grids: Grid[];
  /** Variables of the loops over points that a lane takes side by side. */
  readonly neighbours: Set<string>;
  readonly storage: Storage;
  readonly places: Places;
  /** Scalars whose values along an axis private memory has. */
  readonly held: Map<Scalar, Held>;
  /** An operation on these arguments, as the machine does it best. */
  readonly expand: typeof expandOp;
  /** A scalar that the machine computes as one function of another. */
  readonly recognise: Recognise;
  readonly strips: Map<Tensor, Strip>;
  /** Rows in the block by the indices of their queries. */
  readonly rowOf: Map<Expression, Expression>;
  finish(name: string): KernelBody;
}

type Recognise = (s: Scalar) => { readonly of: KernelFunction; readonly argument: Scalar } | null;

/** Values in private memory: by the index along an axis of a number extent, or the one at an index. */
export type Held = { readonly array: string } & ({ readonly along: Axis } | { readonly index: Expression });

export interface ScopeOptions {
  readonly mode: Mode;
  readonly lanes: number;
  readonly storage: Storage;
  readonly places: Places;
  readonly bindings: readonly KernelBuffer[];
  readonly names: (wanted: string) => string;
  readonly expand?: typeof expandOp;
  readonly recognise?: Recognise;
}

/** A binding and the buffer behind it, decided before the kernel is written. */
export interface KernelBuffer {
  readonly buffer: BufferPlan;
  readonly binding: Binding;
}

export function openScope(options: ScopeOptions): Scope {
  const { mode, lanes, storage, places, bindings, names, expand = expandOp, recognise = () => null } = options;
  const stack: Statement[][] = [[]];
  const hints = new Map<Expression, string>();
  const shared: { name: string; type: ValueType; size: number }[] = [];
  const arrays: { name: string; type: ValueType; size: number }[] = [];
  const scratch: { name: string; type: 'f32' | 'i32'; size: Size }[] = [];
  const byBuffer = new Map(bindings.map(({ buffer, binding }) => [buffer, binding]));
  const bindingOf = (tensor: Tensor): Binding => {
    const buffer = storage.get(tensor);
    const binding = buffer && byBuffer.get(buffer);
    if (!binding) throw new Error(`'${tensor.name}' is no buffer of this kernel`);
    return binding;
  };
  const emit = (...statements: readonly Statement[]): void => {
    stack.at(-1)!.push(...statements);
  };
  return {
    mode,
    lanes,
    storage,
    places,
    held: new Map(),
    expand,
    recognise,
    hints,
    grids: [],
    neighbours: new Set(),
    strips: new Map(),
    rowOf: new Map(),
    fresh: names,
    emit,
    block(build) {
      stack.push([]);
      build();
      return stack.pop()!;
    },
    buffer(tensor, write) {
      const binding = bindingOf(tensor);
      if (write && binding.access === 'read') throw new Error(`'${tensor.name}' is read only in this kernel`);
      return binding.name;
    },
    bind(wanted, value) {
      const name = names(wanted);
      emit(letOf(name, value));
      return local(name, value.type);
    },
    variable(wanted, value) {
      const name = names(wanted);
      emit(varOf(name, value));
      return local(name, value.type);
    },
    shared(wanted, type, size) {
      const name = names(wanted);
      shared.push({ name, type, size });
      return name;
    },
    array(wanted, type, size) {
      const name = names(wanted);
      arrays.push({ name, type, size });
      return name;
    },
    scratch(wanted, type, size) {
      const name = names(wanted);
      scratch.push({ name, type, size });
      return name;
    },
    hint(value, name) {
      if (!hints.has(value)) hints.set(value, name);
      return value;
    },
    isWritten: (tensor) => bindingOf(tensor).access === 'read_write',
    finish: (name) => ({
      name,
      workgroup: lanes,
      bindings: bindings.map(({ binding }) => binding),
      shared,
      arrays,
      ...(scratch.length === 0 ? {} : { scratch }),
      statements: stack[0]!,
    }),
  };
}

/** The number of points along an axis. */
export const extentOf = (extent: Extent): Expression => (typeof extent === 'number' ? i32(extent) : sizeOf(extent));

/** The first index of an axis: token axes begin at `first`. */
export const startOf = (scope: Scope, axis: Axis): Expression =>
  axis.extent === 'tokens' && scope.mode === 'decode' ? sizeOf('first') : i32(0);

/** The index along an axis from its position. */
export const indexAt = (scope: Scope, axis: Axis, position: Expression): Expression => {
  const start = startOf(scope, axis);
  return start.kind === 'literal' ? position : add(start, position);
};

/** The position of an index along its axis. */
export const positionAt = (scope: Scope, axis: Axis, index: Expression): Expression =>
  axis.extent === 'tokens' && scope.mode === 'decode' ? relative(index) : index;

function isFirst(expression: Expression): boolean {
  return expression.kind === 'size' && expression.size === 'first';
}

/** The position of an index along a window of tokens. */
function relative(index: Expression): Expression {
  if (index.kind === 'call' && index.op === 'add') {
    if (isFirst(index.args[0]!)) return index.args[1]!;
    if (isFirst(index.args[1]!)) return index.args[0]!;
  }
  return isFirst(index) ? i32(0) : subtract(index, sizeOf('first'));
}

/** The axis along which tensors lie beside each other. */
const placedAxis = 2;

const sameExtent = (a: Axis, b: Axis): boolean => a.extent === b.extent;

/** The flat offset of tensor[index...] in its buffer. */
function address(scope: Scope, tensor: Tensor, index: readonly Expression[]): Expression {
  const history = storageOf(scope, tensor).rows === 'history' && scope.mode === 'decode';
  const positions = tensor.axes.map((axis, n) => (history ? index[n]! : positionAt(scope, axis, index[n]!)));
  const place = scope.places.get(tensor);
  const alike = place === undefined ? tensor.axes.length : placedAxis;
  let done = 0;
  let flat: Expression = i32(0);
  if (!history) {
    for (const grid of scope.grids) {
      let k = 0;
      while (
        k < alike &&
        k < grid.axes.length &&
        positions[k] === grid.local[k] &&
        sameExtent(tensor.axes[k]!, grid.axes[k]!)
      ) {
        k += 1;
      }
      if (k > done) {
        done = k;
        flat = grid.prefix[k]!;
      }
    }
  }
  for (let n = done; n < tensor.axes.length; n += 1) {
    const { extent } = tensor.axes[n]!;
    const isPlaced = place !== undefined && n === placedAxis;
    const rows =
      history && (extent === 'tokens' || extent === 'keys')
        ? sizeOf('capacity')
        : extentOf(isPlaced ? place.rows : extent);
    const position = isPlaced ? add(positions[n]!, i32(place.offset)) : positions[n]!;
    flat = n === 0 ? position : add(multiply(flat, rows), position);
  }
  return flat;
}

function storageOf(scope: Scope, tensor: Tensor): BufferPlan {
  const buffer = scope.storage.get(tensor);
  if (!buffer) throw new Error(`'${tensor.name}' has no buffer`);
  return buffer;
}

/** The flat offset in a strip. */
function addressIn(scope: Scope, strip: Strip, tensor: Tensor, index: readonly Expression[]): Expression {
  const row = scope.rowOf.get(index[strip.query]!);
  if (row === undefined) throw new Error(`'${tensor.name}' is read at another query than the point's`);
  const flat = strip.axes.reduce<Expression>((all, n) => {
    const axis = tensor.axes[n]!;
    return add(multiply(all, extentOf(axis.extent)), positionAt(scope, axis, index[n]!));
  }, i32(0));
  return add(multiply(flat, i32(strip.rows)), row);
}

/** The value of a tensor; of one this kernel also writes it is bound at once, so that a later store cannot change it. */
export function loadAt(scope: Scope, tensor: Tensor, index: readonly Expression[]): Expression {
  const type = tensor.type === 'real' ? 'f32' : 'i32';
  const strip = scope.strips.get(tensor);
  if (strip !== undefined) {
    const value = element(strip.array, addressIn(scope, strip, tensor, index), type);
    return scope.hint(value, tensor.name);
  }
  const value = load(scope.buffer(tensor, false), address(scope, tensor, index), type);
  return scope.isWritten(tensor) ? scope.bind(tensor.name, value) : scope.hint(value, tensor.name);
}

export function storeAt(scope: Scope, tensor: Tensor, index: readonly Expression[], value: Expression): void {
  const stored = value.type === 'bool' ? toI32(value) : value;
  const strip = scope.strips.get(tensor);
  if (strip !== undefined) return scope.emit(storeElement(strip.array, addressIn(scope, strip, tensor, index), stored));
  scope.emit(store(scope.buffer(tensor, true), address(scope, tensor, index), stored));
}
