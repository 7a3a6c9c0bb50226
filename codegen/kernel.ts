// Kernel IR: structured statements that every GPU target prints and that simulate.ts runs. One function a kernel.
// Values are f32, i32 and bool; every index is i32. Local names are unique in a kernel and valid in every target
// (codegen/names.ts); printers do not rename.
// Kernels for a CPU (PlanOptions.machine) have one lane a workgroup and no barrier: a workgroup is an item of work that some
// thread does. They have vectors of four besides: written by hand, or by codegen/cpu/vectorize.ts out of `vector` loops.

export type ScalarType = 'f32' | 'i32' | 'bool';
export type VectorType = 'f32x4' | 'i32x4' | 'boolx4';
export type ValueType = ScalarType | VectorType;

/** How numbers lie in a buffer. A kernel computes with f32: bf16 is widened when loaded and rounded (to even) when stored. */
export type StorageType = 'f32' | 'bf16' | 'i32';

export const bytesOfElement: Readonly<Record<StorageType, number>> = { f32: 4, bf16: 2, i32: 4 };

/** What an element is once it is loaded. */
export const loadedType = (type: StorageType): 'f32' | 'i32' => (type === 'bf16' ? 'f32' : type);

/** What every target spells itself; the rest of src/ir/ops.ts is expanded by codegen/math.ts. */
export const kernelOps = {
  add: 2,
  subtract: 2,
  multiply: 2,
  divide: 2,
  negate: 1,
  min: 2,
  max: 2,
  abs: 1,
  /** Integers, rounding towards zero. */
  quotient: 2,
  remainder: 2,
  /** f32 to f32. */
  floor: 1,
  ceil: 1,
  round: 1,
  sqrt: 1,
  exp: 1,
  log: 1,
  less: 2,
  less_equal: 2,
  equal: 2,
  not_equal: 2,
  and: 2,
  or: 2,
  not: 1,
  /** select(condition, then, else); both are evaluated. */
  select: 3,
  xor: 2,
  /** Of i32; shift_right keeps the sign. The distance is 0 to 31. */
  shift_left: 2,
  shift_right: 2,
  bit_and: 2,
  popcount: 1,
  /** Of i32 or bool. */
  to_f32: 1,
  /** Towards zero, of f32 (inside the range of i32) or bool. */
  to_i32: 1,
  /** The bits of an f32 as an i32, and back. */
  bits_of: 1,
  from_bits: 1,
} as const;
export type KernelOp = keyof typeof kernelOps;

export type KernelSize = 'batch' | 'tokens' | 'keys' | 'first' | 'capacity';
export type KernelSizes = Readonly<Record<KernelSize, number>>;

/** A number known when buffers are allocated: products and rounded-up quotients of the run-time sizes. */
export type Size =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'size'; readonly size: KernelSize }
  | { readonly kind: 'product'; readonly factors: readonly Size[] }
  | { readonly kind: 'sum'; readonly terms: readonly Size[] }
  | { readonly kind: 'ceil-divide'; readonly value: Size; readonly by: number };

export type Expression =
  | { readonly kind: 'literal'; readonly type: ValueType; readonly value: number }
  | { readonly kind: 'local'; readonly type: ValueType; readonly name: string }
  | { readonly kind: 'size'; readonly type: 'i32'; readonly size: KernelSize }
  /**
   * Flat index of the workgroup (x + y * count_x) and of the lane in it; how many lanes a subgroup has, and the index of
   * the lane in its subgroup. Subgroups are made of neighbouring lanes: lane = subgroup * subgroup_size + subgroup_lane.
   */
  | { readonly kind: 'workgroup' | 'lane' | 'subgroup_size' | 'subgroup_lane'; readonly type: 'i32' }
  /**
   * type a vector: four neighbours from `index`, at any alignment; or, where `index` is i32x4, each component from its own
   * place. Components that `mask` (boolx4) leaves out are 0, and nothing is read for them.
   */
  | {
      readonly kind: 'load';
      readonly type: ValueType;
      readonly buffer: string;
      readonly index: Expression;
      readonly mask?: Expression;
    }
  /** Four times the same. */
  | { readonly kind: 'splat'; readonly type: VectorType; readonly value: Expression }
  /** from, from + 1, from + 2, from + 3. */
  | { readonly kind: 'ramp'; readonly type: 'i32x4'; readonly from: Expression }
  | { readonly kind: 'extract'; readonly type: ScalarType; readonly component: number; readonly value: Expression }
  /** All four put together, always in this order: (c0 op c2) op (c1 op c3). any, all: of boolx4. */
  | {
      readonly kind: 'across';
      readonly type: ScalarType;
      readonly op: 'add' | 'multiply' | 'max' | 'min' | 'any' | 'all';
      readonly value: Expression;
    }
  /** Components by number: 0 to 3 of `a`, 4 to 7 of `b`. */
  | {
      readonly kind: 'shuffle';
      readonly type: 'f32x4' | 'i32x4';
      readonly a: Expression;
      readonly b: Expression;
      readonly components: readonly [number, number, number, number];
    }
  | { readonly kind: 'shared'; readonly type: ValueType; readonly array: string; readonly index: Expression }
  | { readonly kind: 'call'; readonly type: ValueType; readonly op: KernelOp; readonly args: readonly Expression[] }
  | {
      readonly kind: 'apply';
      readonly type: ValueType;
      readonly of: KernelFunction;
      readonly args: readonly Expression[];
    }
  /**
   * A private array of the kernel (registers when every index is a constant after unrolling), or scratch memory. Vectors,
   * as of `load`, on a CPU.
   */
  | {
      readonly kind: 'element';
      readonly type: ValueType;
      readonly array: string;
      readonly index: Expression;
      readonly mask?: Expression;
    }
  | {
      readonly kind: 'subgroup';
      readonly type: ValueType;
      readonly op: 'add' | 'max' | 'min';
      readonly value: Expression;
    };

export type Statement =
  | { readonly kind: 'let'; readonly name: string; readonly value: Expression }
  | { readonly kind: 'var'; readonly name: string; readonly value: Expression }
  | { readonly kind: 'set'; readonly name: string; readonly value: Expression }
  /** A vector: four neighbours from `index`, or each where its own index says, in order; those that `mask` leaves out stay. */
  | {
      readonly kind: 'store';
      readonly buffer: string;
      readonly index: Expression;
      readonly value: Expression;
      readonly mask?: Expression;
    }
  /**
   * `count` neighbouring elements of a buffer into array[at], array[at + 1], ... and back, in one access: `index` is a
   * multiple of `count`, a power of two, and the access has at most 16 bytes. f32 (also from bf16) or i32.
   */
  | {
      readonly kind: 'load-elements' | 'store-elements';
      readonly buffer: string;
      readonly index: Expression;
      readonly array: string;
      readonly at: number;
      readonly count: number;
    }
  | { readonly kind: 'store-shared'; readonly array: string; readonly index: Expression; readonly value: Expression }
  | {
      readonly kind: 'store-element';
      readonly array: string;
      readonly index: Expression;
      readonly value: Expression;
      readonly mask?: Expression;
    }
  /**
   * for (variable = from; variable < to; variable += step), step > 0 and literal. `unrolled`: the printer writes it out.
   * `vector` (step 1, CPU): the iterations do not depend on each other, but for variables declared outside that the body
   * only adds to, multiplies, or takes the larger or smaller of: `set x = op(x, value)`, each with one op; their four
   * components are put together as `across` says.
   */
  | {
      readonly kind: 'for';
      readonly variable: string;
      readonly from: Expression;
      readonly to: Expression;
      readonly step: number;
      readonly mode: 'serial' | 'unrolled' | 'vector';
      readonly body: readonly Statement[];
    }
  | {
      readonly kind: 'if';
      readonly condition: Expression;
      readonly then: readonly Statement[];
      readonly otherwise: readonly Statement[];
    }
  /** Workgroup barrier; must be reached by every lane. */
  | { readonly kind: 'barrier' }
  | { readonly kind: 'return' } // only at the top level, before any barrier
  | { readonly kind: 'comment'; readonly text: string };

/** A helper written once in kernel IR and printed where it is used (own sin, tanh, ...). */
export interface KernelFunction {
  readonly name: string;
  readonly parameters: readonly { readonly name: string; readonly type: ValueType }[];
  readonly result: ValueType;
  readonly body: readonly Statement[];
  readonly value: Expression;
}

export interface Binding {
  readonly name: string;
  readonly type: StorageType;
  readonly access: 'read' | 'read_write';
}

export interface KernelBody {
  readonly name: string;
  readonly workgroup: number; // lanes
  readonly bindings: readonly Binding[];
  readonly shared: readonly { readonly name: string; readonly type: ValueType; readonly size: number }[];
  readonly arrays: readonly { readonly name: string; readonly type: ValueType; readonly size: number }[]; // private
  /** Private arrays whose size is known at run time, on a CPU; `element` and `store-element` name them as arrays. */
  readonly scratch?: readonly { readonly name: string; readonly type: 'f32' | 'i32'; readonly size: Size }[];
  readonly statements: readonly Statement[];
}
