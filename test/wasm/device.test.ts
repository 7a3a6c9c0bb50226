// The CPU device: what all devices do, and what only it does: any number of threads, jobs in flight, memory that grows, what
// is said when a kernel faults. Kernels of the second part are assembled by hand.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { wholeSequence } from '../../targets/device.ts';
import type { Buffer, Device } from '../../targets/device.ts';
import type { CpuDevice } from '../../targets/wasm/device/index.ts';
import { failure } from '../device/fixture.ts';
import { describeDevice } from '../device/suite.ts';
import { assemble, element, handmade, op } from './hand.ts';
import { openTestCpu } from './open.ts';

const suite = { name: 'cpu', language: 'wasm' } as const;
describeDevice('a CPU of two threads', { open: openTestCpu, ...suite });
describeDevice('a CPU whose memory is not shared', { open: () => openTestCpu({ shared: false }), ...suite });

const sizes = wholeSequence(1, 100);

const whole = (device: Device, elements: number, name: string): Buffer => ({
  name,
  elements,
  type: 'i32',
  storage: device.allocate(elements * 4, name),
  offset: 0,
});
const numbers = async (device: Device, buffer: Buffer): Promise<number[]> => [
  ...new Int32Array(await device.read(buffer.storage!, 0, buffer.elements * 4)),
];

/** b1[item] = 3 b0[item] + tokens */
const triple = handmade({
  name: 'triple',
  items: ({ tokens }) => tokens,
  access: ['read', 'read_write'],
  code: assemble(element(1), element(0), op.load(), op.i32(3), op.mul, op.call, op.load(4), op.add, op.store),
});
/** b0[item] += 1 */
const count = handmade({
  name: 'count',
  items: ({ tokens }) => tokens,
  access: ['read_write'],
  code: assemble(element(0), element(0), op.load(), op.i32(1), op.add, op.store),
});
/** The same, through private memory, which is read again a while later. */
const through = handmade({
  name: 'through',
  items: ({ tokens }) => tokens,
  access: ['read_write'],
  scratch: 300,
  code: assemble(
    [...op.scratch, ...op.item, ...op.store, ...op.i32(200), ...op.setLocal],
    op.whileNot0([...op.local, ...op.i32(1), ...op.sub, ...op.setLocal, ...op.local]),
    [...element(0), ...op.scratch, ...op.load(), ...op.store],
  ),
});
/** Takes a while; b0[0] counts runs. */
const slow = handmade({
  name: 'slow',
  items: () => 1,
  access: ['read_write'],
  code: assemble(
    [...op.i32(20_000_000), ...op.setLocal],
    op.whileNot0([...op.local, ...op.i32(1), ...op.sub, ...op.setLocal, ...op.local]),
    [...element(0), ...element(0), ...op.load(), ...op.i32(1), ...op.add, ...op.store],
  ),
});

describe.each([1, 2, 3, 7])('%i threads', (threads) => {
  let device: CpuDevice;
  beforeAll(async () => {
    device = await openTestCpu({ threads });
  });
  afterAll(() => device?.close());

  it('are told of', () => {
    expect(device.threads).toBe(threads);
    expect(device.description).toMatch(/^CPU: .+, \d threads? \(WebAssembly SIMD\)$/);
    expect(device.description).toContain(` ${threads} thread${threads === 1 ? ' ' : 's '}`);
  });

  it('run many small launches in order', async () => {
    const [a, b] = [whole(device, 100, 'a'), whole(device, 100, 'b')];
    const recorded = await device.record((tape) => {
      for (let time = 0; time < 300; time += 1) {
        tape.launch(triple, [a, b]);
        tape.launch(triple, [b, a]);
      }
    }, sizes);
    expect(recorded.launches).toBe(600);
    device.run(recorded);
    let expected = 0;
    for (let time = 0; time < 600; time += 1) expected = (Math.imul(expected, 3) + 100) | 0;
    expect(await numbers(device, a)).toEqual(Array(100).fill(expected));
  });

  it.each([1, 2, 5, 16, 37, 100_003])('do each of %i items once', async (tokens) => {
    const [counted, own] = [whole(device, tokens + 3, 'counted'), whole(device, tokens + 3, 'own')];
    const recorded = await device.record(
      (tape) => {
        for (let time = 0; time < 3; time += 1) tape.launch(count, [counted]);
        tape.launch(through, [own]);
      },
      wholeSequence(1, tokens),
    );
    device.run(recorded);
    const [found, written] = [await numbers(device, counted), await numbers(device, own)];
    expect(found.findIndex((value, n) => value !== (n < tokens ? 3 : 0))).toBe(-1);
    expect(written.findIndex((value, n) => value !== (n < tokens ? n : 0))).toBe(-1);
    device.release(recorded);
  });

  it('clear and copy much, and what does not end at a word of eight', async () => {
    const elements = 3 * 2 ** 18 + 5;
    const [from, to] = [whole(device, elements, 'from'), whole(device, elements + 1, 'to')];
    device.write(
      from.storage!,
      0,
      Int32Array.from({ length: elements }, (_, n) => n + 1),
    );
    device.write(to.storage!, 4 * elements, Int32Array.of(-7));
    const part = { ...to, elements };
    const copied = await device.record((tape) => tape.copy(from, part), sizes);
    device.run(copied);
    const first = await numbers(device, to);
    expect(first.findIndex((value, n) => value !== (n < elements ? n + 1 : -7))).toBe(-1);
    const cleared = await device.record((tape) => tape.clear(part), sizes);
    device.run(cleared);
    const second = await numbers(device, to);
    expect(second.findIndex((value, n) => value !== (n < elements ? 0 : -7))).toBe(-1);
  });
});

describe('jobs in flight', () => {
  let device: CpuDevice;
  afterEach(() => device?.close());

  it('see writes, clears and freed memory in the order of the calls', async () => {
    device = await openTestCpu();
    const [runs, a, b] = [whole(device, 1, 'runs'), whole(device, 100, 'a'), whole(device, 100, 'b')];
    const busy = await device.record((tape) => tape.launch(slow, [runs]), sizes);
    const recorded = await device.record((tape) => tape.launch(triple, [a, b]), sizes);
    device.run(busy);
    device.write(a.storage!, 0, new Int32Array(100).fill(5));
    device.run(recorded);
    device.free(a.storage!);
    const c = whole(device, 100, 'c'); // where `a` was
    const zeros = numbers(device, c);
    device.write(c.storage!, 0, new Int32Array(100).fill(9));
    device.run(busy);
    expect([(await numbers(device, b))[99], (await zeros)[99], (await numbers(device, c))[99]]).toEqual([115, 0, 9]);
    expect(await numbers(device, runs)).toEqual([2]);
  });

  it('go on while memory grows', async () => {
    device = await openTestCpu();
    const [runs, a] = [whole(device, 1, 'runs'), whole(device, 100, 'a')];
    const busy = await device.record((tape) => tape.launch(slow, [runs]), sizes);
    device.run(busy);
    const large = whole(device, 2 ** 25, 'large'); // 128 MiB
    const recorded = await device.record((tape) => tape.launch(triple, [a, { ...large, elements: 100 }]), sizes);
    device.write(large.storage!, 2 ** 27 - 8, Int32Array.of(3, 4));
    device.run(recorded);
    expect([...new Int32Array(await device.read(large.storage!, 2 ** 27 - 12, 12))]).toEqual([0, 3, 4]);
    expect((await device.read(large.storage!, 396, 8)).byteLength).toBe(8);
    expect([...new Int32Array(await device.read(large.storage!, 396, 8))]).toEqual([100, 0]);
    expect(await numbers(device, runs)).toEqual([1]);
  });

  it('do not keep a device from being closed', async () => {
    device = await openTestCpu();
    const runs = whole(device, 1, 'runs');
    const busy = await device.record((tape) => {
      for (let time = 0; time < 2000; time += 1) tape.launch(slow, [runs]); // a minute or more
    }, sizes);
    device.run(busy);
    const pending = failure(device.read(runs.storage!, 0, 4));
    const before = performance.now();
    await device.close();
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(await pending).toMatchObject({ kind: 'lost', message: 'the device has been closed' });
  });
});

describe('a fault', () => {
  let device: CpuDevice;
  beforeAll(async () => {
    device = await openTestCpu();
  });
  afterAll(() => device?.close());

  it.each([
    ['an instruction that must not be reached', op.unreachable, /unreachable/],
    ['an address outside memory', [...op.i32(-8), ...op.i32(1), ...op.store], /out of bounds/],
  ])('by %s is told with the kernel and its line, once, and what follows is left out', async (_, what, says) => {
    const wrong = handmade({
      name: 'wrong',
      items: () => 40,
      access: ['read_write'],
      code: assemble(op.item, op.i32(37), op.equal, op.if(what)),
    });
    const [a, b] = [whole(device, 100, 'a'), whole(device, 100, 'b')];
    const recorded = await device.record((tape) => {
      tape.launch(triple, [a, b]);
      tape.launch(wrong, [a]);
      tape.launch(triple, [b, a]);
    }, sizes);
    device.run(recorded);
    const error = await failure(device.read(a.storage!, 0, 400));
    expect([error.kind, error.kernel, error.source]).toEqual(['internal', 'wrong', 'wrong.pe:1']);
    expect(error.message).toMatch(/^a fault in wrong \(wrong\.pe:1\): /);
    expect(error.message).toMatch(says);
    expect([(await numbers(device, a))[0], (await numbers(device, b))[0]]).toEqual([0, 100]);
    const well = await device.record((tape) => tape.launch(triple, [b, a]), sizes);
    device.run(well);
    expect((await numbers(device, a))[0]).toBe(400);
  });

  it('of a module that is none is told when it is prepared', async () => {
    const broken = { ...triple, name: 'phase', source: 'carope.pe:9' };
    const code = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 10, 1]).toString('base64');
    const error = await failure(device.prepare([{ ...broken, variants: [{ ...triple.variants[0]!, code }] }]));
    expect([error.kind, error.kernel, error.source]).toEqual(['invalid-kernel', 'phase', 'carope.pe:9']);
    expect(error.message).toMatch(/^the kernel phase \(carope\.pe:9\) does not compile: ./);
    const lanes = { ...triple, name: 'wide', variants: [{ ...triple.variants[0]!, workgroup: 64 }] };
    const refused = await failure(device.prepare([lanes]));
    expect([refused.kind, refused.kernel]).toEqual(['limit', 'wide']);
    await device.prepare([triple]);
  });

  it('of numbers that cannot be is refused', async () => {
    for (const threads of [0, 1.5, 1000]) expect((await failure(openTestCpu({ threads }))).kind).toBe('limit');
    const endless = { ...triple, variants: [{ ...triple.variants[0]!, groups: () => 2 ** 40 }] };
    const [a, b] = [whole(device, 100, 'a'), whole(device, 100, 'b')];
    const error = await failure(device.record((tape) => tape.launch(endless, [a, b]), sizes));
    expect([error.kind, error.kernel]).toEqual(['limit', 'triple']);
  });
});

describe('memory', () => {
  let device: CpuDevice;
  afterEach(() => device?.close());

  it('that is used up is told with what is in use and what needs less; what is freed is used again', async () => {
    device = await openTestCpu({ memory: 2 ** 20 });
    const held = Array.from({ length: 15 }, (_, n) => device.allocate(2 ** 16, `part ${n}`));
    const error = await failure(Promise.resolve().then(() => device.allocate(2 ** 17, 'moments')));
    expect(error.kind).toBe('out-of-memory');
    expect(error.message).toMatch(/^no room for moments of 131072 bytes: 983040 bytes are in use, and .*1\.0 MiB/);
    expect(error.message).toMatch(/--batch, --context/);
    for (const buffer of held.slice(3, 6)) device.free(buffer);
    const again = device.allocate(3 * 2 ** 16, 'again');
    expect(new Int32Array(await device.read(again, 0, 3 * 2 ** 16)).every((value) => value === 0)).toBe(true);
    const record = device.record((tape) => {
      const t = tape.temporary('scores', 2 ** 15);
      tape.clear(t);
    }, sizes);
    expect((await failure(record)).message).toMatch(/no room for the temporary scores of 131072 bytes/);
    for (const buffer of [again, ...held]) device.free(buffer);
    device.allocate(2 ** 20 - 2 ** 12, 'all of it');
  });

  it('of the threads is refused too', async () => {
    device = await openTestCpu({ memory: 2 ** 20 });
    const much = handmade({ name: 'much', items: () => 4, access: ['read_write'], scratch: 2 ** 19, code: assemble() });
    const a = whole(device, 4, 'a');
    const error = await failure(device.record((tape) => tape.launch(much, [a]), sizes));
    expect(error.message).toMatch(/no room for private memory of the threads of 1\.0 MiB/);
    const recorded = await device.record((tape) => tape.launch(through, [a]), wholeSequence(1, 4));
    device.run(recorded);
    expect(await numbers(device, a)).toEqual([0, 1, 2, 3]);
  });
});
