// onnxruntime through its C interface, a table of functions: the host makes a session for each kind of product (a model of
// one Gemm, one thread) and tensors over the device's memory; threads run them. A factor with gaps, or that lies in the
// slower way, is gathered first.

import type { Call, Foreign, Type, Value } from './foreign.ts';
import { loadForeign } from './foreign.ts';
import { gather, gatherBytes, gathered, type Gather } from './gather.ts';
import { gemmModel, inputNames, outputName, type GemmModel } from './gemm-model.ts';
import type { Matrix, Slice } from './slices.ts';
import type { Copy, FoundRuntime, Multiplier, PlannedWork, ProductLibrary, RuntimeWork } from './work.ts';

/** Functions by their place in the library's table, which only grows. All but GetErrorMessage give a status, 0 when well. */
const functions = {
  GetErrorMessage: [2, 'uintptr_t'],
  CreateEnv: [3, 'int', 'void *', 'void *'],
  CreateSessionFromArray: [8, 'uintptr_t', 'void *', 'size_t', 'uintptr_t', 'void *'],
  // session, options, names and values of inputs, how many; names of outputs, how many, and values
  Run: [9, 'uintptr_t', 'uintptr_t', 'const char **', 'void *', 'size_t', 'const char **', 'size_t', 'void *'],
  CreateSessionOptions: [10, 'void *'],
  SetSessionLogSeverityLevel: [22, 'uintptr_t', 'int'],
  SetIntraOpNumThreads: [24, 'uintptr_t', 'int'],
  SetInterOpNumThreads: [25, 'uintptr_t', 'int'],
  // memory, data, its bytes, extents, how many, type, the tensor
  CreateTensorWithDataAsOrtValue: [49, 'uintptr_t', 'uintptr_t', 'size_t', 'void *', 'size_t', 'int', 'void *'],
  CreateCpuMemoryInfo: [69, 'int', 'int', 'void *'],
  ReleaseEnv: [92, 'uintptr_t'],
  ReleaseStatus: [93, 'uintptr_t'],
  ReleaseMemoryInfo: [94, 'uintptr_t'],
  ReleaseSession: [95, 'uintptr_t'],
  ReleaseValue: [96, 'uintptr_t'],
  ReleaseSessionOptions: [100, 'uintptr_t'],
} as const satisfies Readonly<Record<string, readonly [place: number, ...types: readonly Type[]]>>;

type Name = keyof typeof functions;
const tableLength = 101;
const interfaceVersion = 1;
const [fatalOnly, float32] = [4, 1];
const [deviceAllocator, defaultMemory] = [0, 0];

interface Interface {
  readonly version: string;
  /** Throws what the library says. */
  call(name: Name, ...values: readonly Value[]): void;
  /** The object that a function makes. */
  make(name: Name, ...values: readonly Value[]): number;
}

/** The functions of a library, or why it has none. */
function openInterface(foreign: Foreign, path: string): Interface | string {
  const library = foreign.open(path);
  if (typeof library === 'string') return library;
  const base = library.find('OrtGetApiBase', 'uintptr_t', []);
  if (base === null) return `${path} is no onnxruntime`;
  const [get, version] = foreign.pointers(base(), 2) as [number, number];
  const table = library.at(get, 'uintptr_t', ['uint32_t'])(interfaceVersion);
  if (table === 0) return `${path} has another interface`;
  const places = foreign.pointers(table, tableLength);
  const found = Object.fromEntries(
    Object.entries(functions).map(([name, [place, ...types]]) => [
      name,
      library.at(places[place]!, name.startsWith('Release') ? 'void' : 'uintptr_t', types),
    ]),
  ) as Readonly<Record<Name, Call>>;
  const call: Interface['call'] = (name, ...values) => {
    const status = found[name](...values);
    if (!status) return; // nothing, of a release
    const text = foreign.text(found.GetErrorMessage(status));
    found.ReleaseStatus(status);
    throw new Error(`onnxruntime: ${text}`);
  };
  return {
    version: library.at<string>(version, 'str', [])(),
    call,
    make(name, ...values) {
      const out = new BigUint64Array(1);
      call(name, ...values, out);
      return Number(out[0]);
    },
  };
}

/** What of a library by this path can be used, or why it cannot. */
export function findRuntime(foreign: Foreign, path: string): FoundRuntime | string {
  const opened = openInterface(foreign, path);
  return typeof opened === 'string'
    ? opened
    : { kind: 'onnxruntime', path, description: `onnxruntime ${opened.version}` };
}

function opened(foreign: Foreign | null, { path }: FoundRuntime): readonly [Foreign, Interface] {
  if (foreign === null) throw new Error('the npm package koffi does not load');
  const made = openInterface(foreign, path);
  if (typeof made === 'string') throw new Error(made);
  return [foreign, made];
}

const zeroEnded = (text: string): Uint8Array => new TextEncoder().encode(`${text}\0`);
const memoryInfo = ({ make }: Interface): number => make('CreateCpuMemoryInfo', deviceAllocator, defaultMemory);

/** A tensor over memory: `columns` rows of `rows` elements, since the library counts row by row. */
const tensorOf = (
  { make }: Interface,
  info: number,
  address: number,
  { rows, columns }: Pick<Matrix, 'rows' | 'columns'>,
): number =>
  make(
    'CreateTensorWithDataAsOrtValue',
    info,
    address,
    bytesOf({ rows, columns }),
    BigInt64Array.of(BigInt(columns), BigInt(rows)),
    2,
    float32,
  );

const bytesOf = ({ rows, columns }: Pick<Matrix, 'rows' | 'columns'>): number => 4 * rows * columns;
const isDense = ({ rows, columns, leading }: Matrix): boolean => columns === 1 || leading === rows;

/** From here on an element is turned in less time than its products lose. */
const manyPoints = 384;

export function openRuntime(found: FoundRuntime, memory: WebAssembly.Memory, cores: number): ProductLibrary {
  const [foreign, runtime] = opened(loadForeign(), found);
  const { call, make } = runtime;
  const base = foreign.address(new Uint8Array(memory.buffer));
  const environment = make('CreateEnv', fatalOnly, zeroEnded('pegen'));
  const options = make('CreateSessionOptions');
  call('SetIntraOpNumThreads', options, 1);
  call('SetInterOpNumThreads', options, 1);
  call('SetSessionLogSeverityLevel', options, fatalOnly);
  const info = memoryInfo(runtime);
  const sessions = new Map<string, number>();

  const sessionFor = (model: GemmModel): number => {
    const key = JSON.stringify(model);
    const known = sessions.get(key);
    if (known !== undefined) return known;
    const bytes = gemmModel(model);
    const session = make('CreateSessionFromArray', environment, bytes, bytes.length, options);
    sessions.set(key, session);
    return session;
  };
  const workOf = ({ scale, accumulate, a, b, out }: Slice): RuntimeWork => {
    // Columns of a matrix are rows of its transpose: out^T = op(b)^T op(a)^T. A first factor that lies transposed is slow
    // in the library: where it meets many points, it is turned.
    const turned = b.transposed && out.rows >= manyPoints;
    const input = (matrix: Matrix, turned: boolean): RuntimeWork['inputs'][number] =>
      isDense(matrix) && !turned
        ? { tensor: tensorOf(runtime, info, base + matrix.address, matrix), gather: null }
        : { tensor: 0, gather: { from: matrix, turned } };
    const output = tensorOf(runtime, info, base + out.address, out);
    return {
      session: sessionFor({ transA: b.transposed && !turned, transB: a.transposed, scale, accumulate }),
      inputs: [input(b, turned), input(a, false), ...(accumulate ? [{ tensor: output, gather: null }] : [])],
      output,
    };
  };
  const held = new Set<PlannedWork>();
  const free = (planned: PlannedWork): void => {
    if (held.delete(planned)) for (const work of planned.works) freeTensors(runtime, work as RuntimeWork);
  };
  return {
    found,
    cores,
    plan(slices): PlannedWork | null {
      if (slices.some(({ out }) => !isDense(out))) return null;
      const works = slices.map(workOf);
      const bytes = (gathers: readonly (Gather | null)[]): number =>
        gathers.reduce((sum, each) => sum + (each === null ? 0 : gatherBytes(each)), 0);
      const planned = {
        works,
        scratch: Math.max(...works.map(({ inputs }) => bytes(inputs.map((each) => each.gather)))),
      };
      held.add(planned);
      return planned;
    },
    free,
    leave: (planned) => void held.delete(planned),
    close() {
      held.forEach(free);
      for (const session of sessions.values()) call('ReleaseSession', session);
      sessions.clear();
      call('ReleaseMemoryInfo', info);
      call('ReleaseSessionOptions', options);
      call('ReleaseEnv', environment);
    },
  };
}

function freeTensors({ call }: Interface, { inputs, output }: RuntimeWork): void {
  const tensors = new Set([...inputs.map(({ tensor }) => tensor), output]);
  for (const tensor of tensors) if (tensor !== 0) call('ReleaseValue', tensor);
}

export function openRuntimeOnThread(
  given: Foreign,
  found: FoundRuntime,
  memory: WebAssembly.Memory,
  copy: Copy,
): Multiplier<RuntimeWork> {
  const [foreign, runtime] = opened(given, found);
  const base = foreign.address(new Uint8Array(memory.buffer));
  const info = memoryInfo(runtime);
  const inputValues = new BigUint64Array(inputNames.length);
  const outputValue = new BigUint64Array(1);

  return {
    multiply({ session, inputs, output }, scratch) {
      let to = scratch;
      const made: number[] = [];
      inputs.forEach(({ tensor, gather: wanted }, index) => {
        if (wanted === null) return void (inputValues[index] = BigInt(tensor));
        gather(wanted, to, memory, copy);
        const own = tensorOf(runtime, info, base + to, gathered(wanted));
        made.push(own);
        inputValues[index] = BigInt(own);
        to += gatherBytes(wanted);
      });
      outputValue[0] = BigInt(output);
      const names = inputNames.slice(0, inputs.length);
      try {
        runtime.call('Run', session, 0, names, inputValues, inputs.length, [outputName], 1, outputValue);
      } finally {
        for (const tensor of made) runtime.call('ReleaseValue', tensor);
      }
    },
    free: (work) => freeTensors(runtime, work),
  };
}
