// The CPU device in a process of its own: it ends by itself, with a device open, idle or at work; threads that do not start
// or that die are told. Needs the built modules.

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wholeSequence } from '../../targets/device.ts';
import { failure } from '../device/fixture.ts';
import { assemble, element, handmade, op } from './hand.ts';
import { openTestCpu, script } from './open.ts';

const device = JSON.stringify(pathToFileURL(resolve('dist/targets/wasm/device/index.js')).href);
const spins = [...op.i32(20_000_000), ...op.setLocal];
const down = op.whileNot0([...op.local, ...op.i32(1), ...op.sub, ...op.setLocal, ...op.local]);
const code = assemble(spins, down, [...element(0), ...op.i32(42), ...op.store]);

/** A program whose device has run a list of so many slow launches into `buffer`. */
const program = (launches: number, rest: string): string => `
import { openCpu } from ${device};
const device = await openCpu({ threads: 2 });
const storage = device.allocate(4, 'made');
const kernel = {
  name: 'slow', language: 'wasm', source: 'slow.pe:1', product: null,
  bindings: [{ name: 'made', type: 'i32', access: 'read_write' }],
  variants: [{ profile: 'software', workgroup: 1, groups: () => 1, code: ${JSON.stringify(code)} }],
};
const buffer = { name: 'made', elements: 1, type: 'i32', storage, offset: 0 };
const recorded = await device.record((tape) => {
  for (let time = 0; time < ${launches}; time += 1) tape.launch(kernel, [buffer]);
}, { batch: 1, tokens: 1, keys: 1, first: 0, capacity: 1 });
device.run(recorded);
${rest}`;

function run(text: string): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((done) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', text]);
    const stuck = setTimeout(() => child.kill('SIGKILL'), 30_000);
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('close', (exit) => {
      clearTimeout(stuck);
      done({ code: exit, out, err });
    });
  });
}

describe('a process', () => {
  it.each([
    ['that has read what it wanted', 1, 'console.log(new Int32Array(await device.read(storage, 0, 4))[0]);'],
    ['that waits for nothing', 1000, 'console.log(42);'],
    ['that has closed it', 1000, 'await device.close(); console.log(42);'],
  ])('%s ends by itself', async (_, launches, rest) => {
    expect(await run(program(launches, rest))).toEqual({ code: 0, out: '42\n', err: '' });
  });
});

describe('a thread', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pegen-test-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const scriptOf = async (name: string, text: string): Promise<URL> => {
    await writeFile(join(folder, name), text);
    return pathToFileURL(join(folder, name));
  };

  it.each([
    ['is not there', 'none.mjs', null, /does not start: Cannot find module/],
    ['throws at once', 'throws.mjs', "throw new Error('no room')", /does not start: no room/],
    ['ends at once', 'ends.mjs', 'process.exit(3)', /does not start: it ended with code 3/],
  ])('whose script %s is told', async (_, name, text, says) => {
    const own = text === null ? pathToFileURL(join(folder, name)) : await scriptOf(name, text);
    const error = await failure(openTestCpu({ script: own }));
    expect(error.kind).toBe('unavailable');
    expect(error.message).toMatch(says);
  });

  it('that gets no more memory says so, and goes on', async () => {
    const poor = `
      import ${JSON.stringify(script.href)};
      WebAssembly.Memory.prototype.grow = () => { throw new RangeError('no pages'); };`;
    const device = await openTestCpu({ shared: false, script: await scriptOf('poor.mjs', poor) });
    const large = device.allocate(2 ** 20, 'large');
    device.write(large, 2 ** 19, new Float32Array(4));
    const error = await failure(device.read(large, 2 ** 19, 4));
    expect([error.kind, error.message]).toEqual(['out-of-memory', expect.stringMatching(/no pages.*--batch/)]);
    await device.close();
  });

  it('that cannot use a module says so, and goes on', async () => {
    const device = await openTestCpu({ threads: 1 }); // of several each would say so, when it comes to it
    const buffer = device.allocate(4, 'small');
    const wanting = Uint8Array.of(
      0,
      0x61,
      0x73,
      0x6d,
      1,
      0,
      0,
      0,
      1,
      4,
      1,
      0x60,
      0,
      0,
      2,
      7,
      1,
      1,
      0x61,
      1,
      0x61,
      0,
      0,
    );
    const kernel = handmade({
      name: 'wanting',
      items: () => 1,
      access: [],
      code: Buffer.from(wanting).toString('base64'),
    });
    await device.prepare([kernel]);
    expect((await failure(device.read(buffer, 0, 4))).message).toMatch(/module: WebAssembly\.Instance/);
    expect((await device.read(buffer, 0, 4)).byteLength).toBe(4);
    await device.close();
  });

  it('that is lost ends what waits, and every later call', async () => {
    const dying = `
      import { parentPort } from 'node:worker_threads';
      import ${JSON.stringify(script.href)};
      parentPort.on('message', ({ kind }) => kind === 'record' && process.exit(9));`;
    const lost = await openTestCpu({ script: await scriptOf('dying.mjs', dying) });
    const buffer = lost.allocate(16, 'small');
    lost.run(await lost.record((tape) => tape.clear(tape.temporary('t', 4)), wholeSequence(1, 4)));
    const error = await failure(lost.read(buffer, 0, 4));
    expect([error.kind, error.message]).toEqual([
      'lost',
      expect.stringMatching(/a thread of the CPU device was lost \(it ended with code 9\).*resume/),
    ]);
    expect(() => lost.write(buffer, 0, new Float32Array(1))).toThrow(/was lost/);
    await lost.close();
  });
});
