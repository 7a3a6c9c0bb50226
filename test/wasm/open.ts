// CPU devices for tests: the worker's script is the built one (`npm run build`), since a worker runs no TypeScript.

import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { openCpu, type CpuChoice, type CpuDevice } from '../../targets/wasm/device/index.ts';

export const script = pathToFileURL(resolve('dist/targets/wasm/device/worker.js'));

export const openTestCpu = (choice: CpuChoice = {}): Promise<CpuDevice> =>
  openCpu({ threads: 2, script, products: 'own', ...choice });
