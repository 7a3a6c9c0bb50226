// Kernel IR as WebAssembly: one kernel comes in, a module in base64 goes out.

import { reserved } from '../../codegen/reserved.ts';
import type { Target } from '../target.ts';

export const wasm: Target = {
  name: 'wasm',
  extension: '.wat',
  reserved: reserved.wgsl,
  prelude: '',
  kernel(body) {
    throw new Error(`${body.name}: no encoder`);
  },
};
