// Compiled kernels on disk: a second device compiles nothing; what is cut off or changed is built again; a folder that
// cannot be written to stops nobody; a change of text, compiler or prelude is another entry. Needs g++ where it says so.

import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashOf, openCache } from '../../targets/cuda/device/cache.ts';
import { wholeSequence } from '../../targets/device.ts';
import {
  double,
  doubled,
  emulates,
  floats,
  kernelFrom,
  openTestDevice,
  whole,
  withEnvironment,
} from './device-fixture.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pegen-cache-'));
});
afterEach(async () => {
  await chmod(folder, 0o700);
  await rm(folder, { recursive: true, force: true });
});

const bytes = new TextEncoder().encode('machine code');
const key = hashOf('a kernel');

describe('a cache', () => {
  it('gives what was kept, to the next one too', async () => {
    const cache = await openCache(folder);
    expect(await cache.find(key)).toBeNull();
    await cache.keep([key, hashOf('another')], bytes);
    for (const each of [cache, await openCache(folder)]) {
      expect(new TextDecoder().decode((await each.find(key))!.bytes)).toBe('machine code');
      expect(await each.find(hashOf('another'))).not.toBeNull();
      expect(await each.find(hashOf('a third'))).toBeNull();
    }
    expect((await readdir(folder)).filter((name) => !/^[0-9a-f]{32}\.(unit|kernel)$/.test(name))).toEqual([]);
  });

  it.each([
    ['cut off', (file: Uint8Array) => file.subarray(0, 5)],
    ['changed', (file: Uint8Array) => file.map((byte, index) => (index === 3 ? byte ^ 1 : byte))],
    ['emptied', () => new Uint8Array(0)],
  ])('does not give a file that was %s, and keeps it anew', async (_, damage) => {
    await (await openCache(folder)).keep([key], bytes);
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      await writeFile(path, damage(new Uint8Array(await readFile(path))));
      const cache = await openCache(folder);
      expect(await cache.find(key)).toBeNull();
      await cache.keep([key], bytes);
      expect(await (await openCache(folder)).find(key)).not.toBeNull();
    }
  });

  it('keeps nothing where it may not, and fails nobody', async () => {
    await writeFile(join(folder, 'file'), '');
    for (const wanted of [join(folder, 'file'), join(folder, 'file', 'inside'), null]) {
      const cache = await openCache(wanted);
      const kept = await cache.keep([key], bytes);
      expect(kept.bytes).toBe(bytes);
      expect(await cache.find(key)).toBeNull();
    }
  });

  it('lies where PEGEN_CACHE says', async () => {
    const cache = await withEnvironment({ PEGEN_CACHE: folder }, () => openCache(undefined));
    expect(cache.folder).toBe(folder);
  });

  it('hashes parts, not their sum', () => {
    expect(hashOf('ab', 'c')).not.toBe(hashOf('a', 'bc'));
  });
});

describe.skipIf(!emulates)('devices over one cache', () => {
  const compiled: number[] = [];
  const run = async (name: string): Promise<number> => {
    compiled.length = 0;
    const device = await openTestDevice({ cache: folder, onCompile: (done) => compiled.push(done) });
    try {
      const kernel = kernelFrom({ ...double, name }, ({ tokens }) => Math.ceil(tokens / 32));
      const [input, output] = [whole(device, 100, 'input'), whole(device, 100, 'output')];
      device.run(
        await device.record(
          (tape) => {
            tape.launch(doubled, [input, output]);
            tape.launch(kernel, [output, input]);
          },
          wholeSequence(1, 100),
        ),
      );
      expect((await floats(device, input))[0]).toBe(300);
      return compiled.at(-1) ?? 0;
    } finally {
      await device.close();
    }
  };

  it('compile each kernel once, and again what was lost', async () => {
    expect(await run('first_of')).toBe(2);
    expect(await run('first_of')).toBe(0);
    expect(await run('second_of')).toBe(1); // the other is known
    for (const name of await readdir(folder))
      if (name.endsWith('.unit')) await writeFile(join(folder, name), 'not that');
    expect(await run('second_of')).toBe(2);
    expect(await run('second_of')).toBe(0);
  });
});
