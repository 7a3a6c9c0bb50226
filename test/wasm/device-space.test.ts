// Places in memory: random takes and gives never overlap, never lose a byte, and join what lies side by side; modules for
// memory that is not shared.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { moveModule } from '../../targets/wasm/device/move.ts';
import { createSpace, granularity, rounded, type Block } from '../../targets/wasm/device/space.ts';
import { unshared } from '../../targets/wasm/device/unshared.ts';
import { assemble, binding, op } from './hand.ts';

describe('space', () => {
  it('gives places that are apart, and takes them back', () => {
    const steps = fc.array(fc.record({ bytes: fc.integer({ min: 0, max: 5000 }), back: fc.nat() }), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (list) => {
        const [begin, end] = [1024, 1024 + 64 * granularity];
        const space = createSpace(begin, end);
        let held: Block[] = [];
        for (const { bytes, back } of list) {
          const found = space.take(bytes);
          if (found === null) expect(space.largest()).toBeLessThan(rounded(bytes));
          else {
            expect([found.address % granularity, found.bytes]).toEqual([0, rounded(bytes)]);
            expect(found.address >= begin && found.address + found.bytes <= end).toBe(true);
            for (const each of held)
              expect(each.address + each.bytes <= found.address || found.address + found.bytes <= each.address).toBe(
                true,
              );
            held.push(found);
          }
          if (back % 3 !== 0 || held.length === 0) {
            expect(space.used()).toBe(held.reduce((sum, each) => sum + each.bytes, 0));
            continue;
          }
          const [given] = held.splice(back % held.length, 1);
          space.give(given!);
        }
        for (const each of held) space.give(each);
        held = [];
        expect([space.used(), space.top(), space.largest()]).toEqual([0, begin, end - begin]);
        expect(space.take(end - begin)).toEqual({ address: begin, bytes: end - begin });
        expect([space.top(), space.take(1)]).toEqual([end, null]);
      }),
    );
  });

  it('grows at its end', () => {
    const space = createSpace(0, 512);
    const low = space.take(256)!;
    expect(space.take(512)).toBeNull();
    space.extend(1024);
    expect([space.top(), space.largest()]).toEqual([256, 768]);
    expect(space.take(768)).toEqual({ address: 256, bytes: 768 });
    space.give(low);
    expect([space.top(), space.largest(), space.take(1)?.address]).toEqual([1024, 256, 0]);
  });
});

describe('a module for memory that is not shared', () => {
  const memory = () => new WebAssembly.Memory({ initial: 1, maximum: 4 });

  it('differs from the shared one in a flag', () => {
    const shared = moveModule();
    const own = unshared(shared);
    expect(own.filter((byte, n) => byte !== shared[n])).toEqual(Uint8Array.of(1));
    expect(unshared(own)).toBe(own);
    expect(() => new WebAssembly.Instance(new WebAssembly.Module(shared), { env: { memory: memory() } })).toThrow(
      /shared/,
    );
    const env = { memory: memory() };
    const { fill, copy } = new WebAssembly.Instance(new WebAssembly.Module(own), { env }).exports as unknown as {
      fill(to: number, value: number, bytes: number): void;
      copy(to: number, from: number, bytes: number): void;
    };
    fill(3, 7, 2);
    copy(8, 2, 4);
    expect([...new Uint8Array(env.memory.buffer, 0, 12)]).toEqual([0, 0, 0, 7, 7, 0, 0, 0, 0, 7, 7, 0]);
  });

  it('is found among other imports', () => {
    const code = new Uint8Array(Buffer.from(assemble([...binding(0), ...op.item, ...op.store]), 'base64'));
    const env = { memory: memory() };
    const { run } = new WebAssembly.Instance(new WebAssembly.Module(unshared(code)), { env }).exports;
    new Int32Array(env.memory.buffer)[5] = 64;
    (run as (begin: number, end: number, call: number, scratch: number) => void)(5, 6, 0, 0);
    expect(new Int32Array(env.memory.buffer)[16]).toBe(5);
    // A function, a global and a table before the memory.
    const name = [1, 0x61];
    const imports = [
      [4, ...name, ...name, 0, 0],
      [...name, ...name, 3, 0x7f, 0],
      [...name, ...name, 1, 0x70, 1, 0x80, 0x01, 0x80, 0x02],
      [...name, ...name, 2, 3, 1, 4],
    ].flat();
    const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0];
    const several = new Uint8Array([...head, 2, imports.length, ...imports]);
    expect(WebAssembly.validate(several)).toBe(true);
    expect(unshared(several).at(-3)).toBe(1);
    expect(WebAssembly.validate(unshared(several))).toBe(true);
    const none = new Uint8Array(head);
    expect(unshared(none)).toBe(none);
  });
});
