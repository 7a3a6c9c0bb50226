// Two projects: pure tests run side by side; tests that open a GPU device run one file at a time.
import { defineConfig } from 'vitest/config';

const gpu = ['test/gpu/**/*.test.ts'];

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'pure', include: ['test/**/*.test.ts'], exclude: gpu, testTimeout: 60_000 } },
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
