// Kernel IR as WebAssembly: one kernel comes in, a module goes out, in base64 for the device or as text for people.

import { reserved } from '../../codegen/reserved.ts';
import type { Target } from '../target.ts';
import { encodeModule } from './encode.ts';
import { moduleOf } from './module.ts';
import { printModule } from './wat.ts';

export const wasm: Target = {
  name: 'wasm',
  extension: '.wat',
  reserved: reserved.wgsl,
  prelude: '',
  comment: ';;',
  kernel: (body) => base64(encodeModule(moduleOf(body))),
  read: (body, comment) => printModule(moduleOf(body), comment),
};

function base64(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
