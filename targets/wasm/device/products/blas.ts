// OpenBLAS, or a library with the same functions, through its C interface: every thread calls it for slices of its own, and
// the library itself stays on one thread.

import type { Call, Foreign, Library, Type } from './foreign.ts';
import type { Factor, Slice } from './slices.ts';
import type { FoundBlas, Multiplier } from './work.ts';

/** Builds for Python's packages have their names between these; the last three have integers of 64 bits. */
const spellings: readonly { readonly prefix: string; readonly suffix: string }[] = [
  { prefix: '', suffix: '' },
  { prefix: 'scipy_', suffix: '' },
  { prefix: '', suffix: '64_' },
  { prefix: '', suffix: '_64' },
  { prefix: 'scipy_', suffix: '64_' },
];

/** What of a library by this path can be used, or why it cannot. */
export function findBlas(foreign: Foreign, path: string): FoundBlas | string {
  const library = foreign.open(path);
  if (typeof library === 'string') return library;
  for (const { prefix, suffix } of spellings) {
    const symbol = `${prefix}cblas_sgemm${suffix}`;
    if (library.find(symbol, 'void', gemmTypes('int')) === null) continue;
    const named = <Result = number>(name: string, result: Type, types: readonly Type[] = []): Call<Result> | null =>
      library.find<Result>(`${prefix}openblas_${name}${suffix}`, result, types);
    const parallel = named('get_parallel', 'int');
    const threads = named('set_num_threads', 'void', ['int']);
    if (parallel === null || threads === null) return `${path} is no OpenBLAS: it cannot be told to stay on one thread`;
    if (parallel() === 0) return `${path} was built for one thread, and may not be called by several at once`;
    const configuration = named<string>('get_config', 'str')?.() ?? 'OpenBLAS';
    return {
      kind: 'openblas',
      path,
      description: /^OpenBLAS [0-9][0-9.]*[0-9]/.exec(configuration)?.[0] ?? 'OpenBLAS',
      symbol,
      wide: configuration.includes('USE64BITINT') || suffix !== '',
    };
  }
  return `${path} has no cblas_sgemm`;
}

const columnMajor = 102;
const asItIs = 111;
const transposed = 112;

/** layout, op(A), op(B), m, n, k, alpha, A, its leading dimension, B, its, beta, C, its */
const gemmTypes = (size: 'int' | 'int64_t'): readonly Type[] => [
  ...(['int', 'int', 'int', size, size, size, 'float', 'uintptr_t', size] as const),
  ...(['uintptr_t', size, 'float', 'uintptr_t', size] as const),
];

export function openBlas(
  foreign: Foreign,
  { path, symbol, wide }: FoundBlas,
  memory: WebAssembly.Memory,
): Multiplier<Slice> {
  const library = foreign.open(path);
  if (typeof library === 'string') throw new Error(library);
  const gemm = library.find(symbol, 'void', gemmTypes(wide ? 'int64_t' : 'int'));
  if (gemm === null) throw new Error(`${path} has no ${symbol} any more`);
  stayOnOneThread(library, symbol);
  const base = foreign.address(new Uint8Array(memory.buffer));
  const form = ({ transposed: turned }: Factor): number => (turned ? transposed : asItIs);
  return {
    multiply({ m, n, k, scale, accumulate, a, b, out }) {
      const [atA, atB, atOut] = [base + a.address, base + b.address, base + out.address];
      const beta = accumulate ? 1 : 0;
      gemm(columnMajor, form(a), form(b), m, n, k, scale, atA, a.leading, atB, b.leading, beta, atOut, out.leading);
    },
    free: () => undefined,
  };
}

function stayOnOneThread(library: Library, symbol: string): void {
  const [prefix, suffix] = symbol.split('cblas_sgemm') as [string, string];
  library.find(`${prefix}openblas_set_num_threads${suffix}`, 'void', ['int'])?.(1);
}
