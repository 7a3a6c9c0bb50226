// A module comes in, and one that adds products to sums in one instruction goes out, for engines that have relaxed SIMD. Where
// such sums stand is said by the module's section `fused` (targets/wasm/encode.ts); what replaces them is as long as they are.

import { inNode } from './start.ts';

const nothing = [0x01, 0x01, 0x01]; // nop
const multiplyAdd = [0xfd, 0x85, 0x02]; // f32x4.relaxed_madd

/** Whether the engine has the instruction; one behind a flag is asked for it. */
export function hasFused(): boolean {
  if (WebAssembly.validate(multiplyAddModule())) return true;
  // The V8 of Node 20 has it, and only there is it behind a flag.
  if (!inNode() || !process.versions.v8.startsWith('11.')) return false;
  process.getBuiltinModule('node:v8').setFlagsFromString('--experimental-wasm-relaxed-simd');
  return WebAssembly.validate(multiplyAddModule());
}

export function fused(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const section = sectionOf(module);
  if (section === null) return module;
  const changed = module.slice();
  const view = new DataView(module.buffer, module.byteOffset);
  for (let at = section.from; at < section.end; at += 8) {
    changed.set(nothing, section.end + view.getUint32(at, true)); // the multiplication: its factors stay
    changed.set(multiplyAdd, section.end + view.getUint32(at + 4, true)); // the addition
  }
  return changed;
}

const name = [0x05, ...new TextEncoder().encode('fused')];

/** Where the places stand in the section, which is the first one; null: there is none. */
function sectionOf(module: Uint8Array): { readonly from: number; readonly end: number } | null {
  let at = 8; // after the magic number and the version
  if (module[at++] !== 0) return null;
  let [length, scale] = [0, 1];
  for (;;) {
    const byte = module[at++]!;
    length += (byte & 127) * scale;
    if (byte < 128) break;
    scale *= 128;
  }
  return name.every((byte, n) => module[at + n] === byte) ? { from: at + name.length, end: at + length } : null;
}

// prettier-ignore
const multiplyAddModule = (): Uint8Array<ArrayBuffer> => new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
  0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, // () -> v128
  0x03, 0x02, 0x01, 0x00,
  0x0a, 0x13, 0x01, 0x11, 0x00, // f32x4.relaxed_madd of three vectors
  0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0xfd, 0x85, 0x02, 0x0b,
]);
