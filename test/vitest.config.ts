// Three projects: pure tests run side by side; tests that open a GPU device run one file at a time; tests that build CUDA
// kernels for the CPU (or compile them for a GPU) wait for compilers, and share what was compiled.
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const gpu = ['test/gpu/**/*.test.ts'];
const cuda = ['test/cuda/**/*.test.ts'];
const cache = fileURLToPath(new URL('../node_modules/.cache/pegen', import.meta.url));

export default defineConfig({
  test: {
    maxWorkers: Math.max(2, availableParallelism() - 1), // two cores are both kept busy: the main process mostly waits
    projects: [
      {
        test: {
          name: 'pure',
          include: ['test/**/*.test.ts'],
          exclude: [...gpu, ...cuda],
          isolate: false, // modules, once loaded and compiled, serve all files of a worker
          testTimeout: 120_000,
        },
      },
      {
        test: { name: 'cuda', include: cuda, testTimeout: 300_000, hookTimeout: 120_000, env: { PEGEN_CACHE: cache } },
      },
      {
        test: {
          name: 'gpu',
          include: gpu,
          fileParallelism: false,
          pool: 'forks',
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
