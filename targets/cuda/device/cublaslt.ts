// cuBLASLt: matrix products in the place of our own kernels, in float32 (never TF32) or from bf16 with float32 sums. The
// library is found and loaded; each product is described once, with the algorithm that the library picks for it, and
// enqueued like a launch.

import { bytesOfElement, DeviceError, type Kernel, type MatrixProduct, type StorageType } from '../../device.ts';
import type { Driver } from './driver.ts';
import type { Failures } from './errors.ts';
import type { Foreign, ForeignFunction, ForeignType, Library } from './foreign.ts';
import { gemmOf, type Gemm, type StoredMatrix } from '../../gemm.ts';
import { searchLibrary } from './library.ts';
import type { PlannedProduct, Products } from './products.ts';

const signatures = {
  cublasLtCreate: ['pointer'],
  cublasLtDestroy: ['handle'],
  cublasLtMatmulDescCreate: ['pointer', 'int', 'int'],
  cublasLtMatmulDescSetAttribute: ['handle', 'int', 'pointer', 'size'],
  cublasLtMatmulDescDestroy: ['handle'],
  cublasLtMatrixLayoutCreate: ['pointer', 'int', 'size', 'size', 'size'],
  cublasLtMatrixLayoutSetAttribute: ['handle', 'int', 'pointer', 'size'],
  cublasLtMatrixLayoutDestroy: ['handle'],
  cublasLtMatmulPreferenceCreate: ['pointer'],
  cublasLtMatmulPreferenceSetAttribute: ['handle', 'int', 'pointer', 'size'],
  cublasLtMatmulPreferenceDestroy: ['handle'],
  // library, operation, A, B, C, D, preference, how many, results, how many there are
  cublasLtMatmulAlgoGetHeuristic: [
    'handle',
    'handle',
    'handle',
    'handle',
    'handle',
    'handle',
    'handle',
    'int',
    'pointer',
    'pointer',
  ],
  // library, operation, alpha, A, its layout, B, its layout, beta, C, its layout, D, its layout, algorithm, workspace, its bytes, stream
  cublasLtMatmul: [
    'handle',
    'handle',
    'handle',
    'handle',
    'handle',
    'handle',
    'handle',
    'handle',
    'handle',
    'handle',
    'handle',
    'handle',
    'handle',
    'handle',
    'size',
    'handle',
  ],
} as const satisfies Readonly<Record<string, readonly ForeignType[]>>;
type Functions = Readonly<Record<keyof typeof signatures, ForeignFunction>>;

/** Numbers of the library's interface. */
const types: Readonly<Record<StorageType, number | null>> = { f32: 0, bf16: 14, i32: null };
const sumsInFloat = 68; // CUBLAS_COMPUTE_32F
const operation = { transposeA: 3, transposeB: 4 } as const;
const layout = { batches: 5, stride: 6 } as const;
const preference = { workspace: 1, reductions: 3, alignmentA: 5, alignmentB: 6, alignmentC: 7, alignmentD: 8 } as const;
/** Parts of a sum are added in float32, in an order that is the same each time. */
const reductionInFloat = 2;
const workspaceBytes = 32 * 2 ** 20;
const resultBytes = 96; // of cublasLtMatmulHeuristicResult_t: the algorithm (64), the workspace, a state, waves, reserved
const stateAt = 18; // of the state in it, in int
const notSupported = [7, 15]; // statuses of a shape that the library has no algorithm for

interface Described extends PlannedProduct {
  readonly gemm: Gemm;
  readonly operation: bigint;
  readonly layouts: readonly [a: bigint, b: bigint, d: bigint];
  readonly numbers: Float32Array; // alpha, beta
  readonly algorithm: Uint8Array;
  readonly bytes: Of<number>; // of an element
  readonly addresses: Of<bigint>;
}

type Role = 'left' | 'right' | 'out';
type Of<T> = Readonly<Record<Role, T>>;

interface Typed {
  readonly types: Of<number>; // as the library numbers them
  readonly bytes: Of<number>;
}

export interface FoundCublasLt {
  readonly functions: Functions;
  readonly version: string; // '13.1'
}

/** null where the library is not found, or is for a newer driver. */
export function findCublasLt(
  foreign: Foreign,
  driverMajor: number,
  path: string | null,
  environment: NodeJS.ProcessEnv = process.env,
): FoundCublasLt | null {
  for (const each of path === null ? searchLibrary('cublasLt', environment).paths : [path]) {
    const library = foreign.open(each);
    const version = library?.find('cublasLtGetVersion', [], 'size')?.() ?? 0;
    if (library === null || version === 0) continue;
    const major = Math.floor(version / 10_000);
    const functions = functionsOf(library);
    if (functions === null || major > driverMajor) continue;
    return { functions, version: `${major}.${Math.floor((version % 10_000) / 100)}` };
  }
  return null;
}

function functionsOf(library: Library): Functions | null {
  const found = Object.entries(signatures).map(([name, each]) => [name, library.find(name, each)] as const);
  return found.every(([, each]) => each !== null) ? (Object.fromEntries(found) as Functions) : null;
}

export function createCublasLt(
  { functions, version }: FoundCublasLt,
  driver: Driver,
  stream: bigint,
  failures: Failures,
): Products | null {
  const { foreign } = driver;
  const created = new BigUint64Array(1);
  if (functions.cublasLtCreate(created) !== 0) return null; // it does not know this GPU, or misses a part of itself
  const library = created[0]!;
  const check = (name: keyof Functions, status: number, kernel: Kernel | null): void => {
    if (status === 0) return;
    failures.check();
    throw new DeviceError(
      'internal',
      `cuBLASLt failed${kernel === null ? '' : ` in ${kernel.name} (${kernel.source})`}: ${name} returned ${status}`,
      kernel?.name ?? null,
      kernel?.source ?? null,
    );
  };
  const create = (name: keyof Functions, ...args: readonly (number | bigint)[]): bigint => {
    const out = new BigUint64Array(1);
    check(name, functions[name](out, ...args), null);
    return out[0]!;
  };
  const set = (name: keyof Functions, of: bigint, which: number, value: ArrayBufferView): void =>
    check(name, functions[name](of, which, value, value.byteLength), null);

  const workspace = new BigUint64Array(1);
  failures.call('cuMemAlloc_v2', workspace, workspaceBytes);

  const layoutOf = (type: number, rows: number, columns: number, leading: number, batch: number, stride: number) => {
    const made = create('cublasLtMatrixLayoutCreate', type, rows, columns, leading);
    if (batch > 1) {
      set('cublasLtMatrixLayoutSetAttribute', made, layout.batches, Int32Array.of(batch));
      set('cublasLtMatrixLayoutSetAttribute', made, layout.stride, BigInt64Array.of(BigInt(stride)));
    }
    return made;
  };
  const describe = (
    gemm: Gemm,
    typed: Typed,
    scale: number,
    accumulate: boolean,
    addresses: Of<bigint>,
  ): Described | null => {
    const { shape } = gemm;
    const made = create('cublasLtMatmulDescCreate', sumsInFloat, 0);
    set('cublasLtMatmulDescSetAttribute', made, operation.transposeA, Int32Array.of(Number(shape.a.transposed)));
    set('cublasLtMatmulDescSetAttribute', made, operation.transposeB, Int32Array.of(Number(shape.b.transposed)));
    const factor = ({ operand, rows, columns, leading, stride }: StoredMatrix): bigint =>
      layoutOf(typed.types[operand], rows, columns, leading, shape.batch, stride);
    const layouts = [
      factor(shape.a),
      factor(shape.b),
      layoutOf(typed.types.out, shape.m, shape.n, shape.leading, shape.batch, shape.stride),
    ] as const;
    const described: Described = {
      kind: 'planned',
      gemm,
      operation: made,
      layouts,
      numbers: outside(scale, accumulate ? 1 : 0),
      algorithm: new Uint8Array(resultBytes),
      bytes: typed.bytes,
      addresses,
    };
    return pick(described) ? described : null;
  };
  /** Whether the library has an algorithm, which is then kept. */
  const pick = (described: Described): boolean => {
    const { gemm, layouts, algorithm } = described;
    const { a, b } = gemm.shape;
    const wish = create('cublasLtMatmulPreferenceCreate');
    const wishes: readonly (readonly [number, ArrayBufferView])[] = [
      [preference.workspace, BigUint64Array.of(BigInt(workspaceBytes))],
      [preference.reductions, Uint32Array.of(reductionInFloat)],
      [preference.alignmentA, Uint32Array.of(alignment(described, a.operand, a.stride))],
      [preference.alignmentB, Uint32Array.of(alignment(described, b.operand, b.stride))],
      [preference.alignmentC, Uint32Array.of(alignment(described, 'out', gemm.shape.stride))],
      [preference.alignmentD, Uint32Array.of(alignment(described, 'out', gemm.shape.stride))],
    ];
    for (const [which, value] of wishes) set('cublasLtMatmulPreferenceSetAttribute', wish, which, value);
    const count = new Int32Array(1);
    const [la, lb, ld] = layouts;
    const status = functions.cublasLtMatmulAlgoGetHeuristic(
      library,
      described.operation,
      la,
      lb,
      ld,
      ld,
      wish,
      1,
      algorithm,
      count,
    );
    functions.cublasLtMatmulPreferenceDestroy(wish);
    if (!notSupported.includes(status)) check('cublasLtMatmulAlgoGetHeuristic', status, null);
    if (status === 0 && count[0] === 1 && new Int32Array(algorithm.buffer)[stateAt] === 0) return true;
    release(described);
    return false;
  };
  const release = ({ operation: made, layouts }: Described): void => {
    functions.cublasLtMatmulDescDestroy(made);
    for (const each of layouts) functions.cublasLtMatrixLayoutDestroy(each);
  };

  return {
    description: `cuBLASLt ${version}`,
    plan(kernel, sizes, addresses) {
      const product = kernel.product?.(sizes) ?? null;
      if (product === null) return null;
      const typed = typesOf(kernel, product);
      const gemm = typed === null ? null : gemmOf(product);
      if (typed === null || gemm === null) return null;
      const of = (role: Role): bigint => addresses[product[role].binding]!;
      return describe(gemm, typed, product.scale, product.accumulate, {
        left: of('left'),
        right: of('right'),
        out: of('out'),
      });
    },
    enqueue(planned, kernel) {
      const { gemm, layouts, numbers, algorithm, bytes, addresses, ...rest } = planned as Described;
      const at = (role: Role, offset: number): bigint => addresses[role] + BigInt(offset * bytes[role]);
      const [la, lb, ld] = layouts;
      const alpha = foreign.address(numbers);
      for (const call of gemm.calls) {
        const [a, b] = [gemm.shape.a.operand, gemm.shape.b.operand];
        const out = at('out', call.out);
        const status = functions.cublasLtMatmul(
          library,
          rest.operation,
          alpha,
          at(a, call[a]),
          la,
          at(b, call[b]),
          lb,
          alpha + 4n,
          out,
          ld,
          out,
          ld,
          foreign.address(algorithm),
          workspace[0]!,
          workspaceBytes,
          stream,
        );
        check('cublasLtMatmul', status, kernel);
      }
    },
    release(planned) {
      release(planned as Described);
    },
    close() {
      functions.cublasLtDestroy(library);
      driver.code('cuMemFree_v2', workspace[0]!);
    },
  };
}

/** Types that the library multiplies: both factors alike, and the result like them or float32. */
function typesOf(kernel: Kernel, product: MatrixProduct): Typed | null {
  const typeOf = (role: Role): StorageType => kernel.bindings[product[role].binding]!.type;
  const [left, right, out] = [typeOf('left'), typeOf('right'), typeOf('out')];
  const [factor, result] = [types[left], types[out]];
  if (left !== right || factor === null || result === null || (left === 'f32' && out !== 'f32')) return null;
  return {
    types: { left: factor, right: factor, out: result },
    bytes: { left: bytesOfElement[left], right: bytesOfElement[right], out: bytesOfElement[out] },
  };
}

/** Numbers that stay where they are: the library reads them by their address. */
function outside(...values: readonly number[]): Float32Array {
  const made = new Float32Array(new ArrayBuffer(4 * values.length));
  made.set(values);
  return made;
}

/** Bytes, a power of two up to 256, that every beginning of an operand is a multiple of. */
function alignment({ addresses, bytes, gemm }: Described, role: Role, stride: number): number {
  const begins = gemm.calls.map((call) => addresses[role] + BigInt(call[role] * bytes[role]));
  const all = begins.reduce((bits, each) => bits | each, BigInt(gemm.shape.batch > 1 ? stride * bytes[role] : 0));
  for (let power = 256; power > 1; power /= 2) if (all % BigInt(power) === 0n) return power;
  return 1;
}
