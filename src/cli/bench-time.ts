// How long recorded work takes on a device: the time of many repetitions in one list, less that of the list without the
// work, by the device's clock where it has one. Numbers of this machine at this time.

import { wholeSequence } from '../../targets/device.ts';
import type { Buffer, Device, DeviceBuffer, Recorded, Sizes, Tape } from '../../targets/device.ts';
import { wholeBuffer } from '../trainer/store.ts';

const mebibyte = 2 ** 20;
const rounds = 6;
const warm = 2; // rounds that only warm up: the first compiles, the second may capture a graph
const wanted = 0.04; // seconds a list should take, so that the clock and the start of the list do not count
const most = 50; // repetitions

export interface Stopwatch {
  /** Seconds of one execution of what is recorded; the best of several rounds. */
  time(build: (tape: Tape) => void, sizes: Sizes): Promise<number>;
  /** Bytes read and written a second by a copy that no cache holds. */
  copy(): Promise<number>;
  free(): void;
}

/**
 * With `cold`, a buffer larger than the caches is overwritten before every repetition: what the work reads comes from
 * memory, as it does in a model.
 */
export function openStopwatch(device: Device, cold: boolean): Stopwatch {
  const owned: DeviceBuffer[] = [];
  const buffer = (bytes: number, label: string): Buffer => {
    const made = device.allocate(Math.min(bytes, device.maxBufferBytes), label);
    owned.push(made);
    return wholeBuffer(made);
  };
  const signal = buffer(4, 'signal');
  const caches = cold ? buffer(256 * mebibyte, 'caches') : null;
  const wait = (): Promise<unknown> => device.read(signal.storage!, 0, 4);

  const once = async (recorded: Recorded): Promise<number> => {
    await wait(); // nothing else is under way
    if (device.elapsed !== undefined) return device.elapsed(recorded);
    const start = performance.now();
    device.run(recorded);
    await wait();
    return (performance.now() - start) / 1000;
  };
  const best = async (build: (tape: Tape) => void, sizes: Sizes): Promise<number> => {
    const recorded = await device.record(build, sizes);
    let least = Infinity;
    for (let round = 0; round < rounds; round += 1) {
      const seconds = await once(recorded);
      if (round >= warm) least = Math.min(least, seconds);
    }
    device.release(recorded);
    return least;
  };
  const repeated = (build: (tape: Tape) => void, count: number, clear: boolean) => (tape: Tape) => {
    for (let n = 0; n < count; n += 1) {
      if (clear && caches !== null) tape.clear(caches);
      build(tape);
    }
  };
  const nothing = (): void => {};
  /** `clear`: the caches hold nothing of the work before. */
  const measure = async (build: (tape: Tape) => void, sizes: Sizes, clear: boolean): Promise<number> => {
    const take = async (count: number): Promise<number> =>
      (await best(repeated(build, count, clear), sizes)) - (await best(repeated(nothing, count, clear), sizes));
    const single = await take(1);
    const count = Math.max(1, Math.min(most, Math.ceil(wanted / Math.max(single, 1e-6))));
    return Math.max((await take(count)) / count, 1e-9);
  };
  return {
    time: (build, sizes) => measure(build, sizes, true),
    async copy() {
      const bytes = (cold ? 1024 : 64) * mebibyte;
      const [from, to] = [buffer(bytes, 'copy_from'), buffer(bytes, 'copy_to')];
      const seconds = await measure((tape) => tape.copy(from, to), wholeSequence(1, 1), false);
      for (const { storage } of [from, to]) {
        owned.splice(owned.indexOf(storage!), 1);
        device.free(storage!);
      }
      return (2 * from.elements * 4) / seconds;
    },
    free: () => owned.forEach((one) => device.free(one)),
  };
}
