// How long recorded work takes on a device: wall time of many repetitions in one list, less that of the list without the
// work. Numbers of this machine at this time.

import { wholeSequence } from '../../targets/device.ts';
import type { Buffer, Device, DeviceBuffer, Sizes, Tape } from '../../targets/device.ts';
import { wholeBuffer } from '../trainer/store.ts';

const mebibyte = 2 ** 20;
const rounds = 5; // of which the first warms up
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

  const best = async (build: (tape: Tape) => void, sizes: Sizes): Promise<number> => {
    const recorded = await device.record(build, sizes);
    let least = Infinity;
    for (let round = 0; round < rounds; round += 1) {
      await wait(); // nothing else is under way
      const start = performance.now();
      device.run(recorded);
      await wait();
      if (round > 0) least = Math.min(least, (performance.now() - start) / 1000);
    }
    device.release(recorded);
    return least;
  };
  const repeated = (build: (tape: Tape) => void, count: number) => (tape: Tape) => {
    for (let n = 0; n < count; n += 1) {
      if (caches !== null) tape.clear(caches);
      build(tape);
    }
  };
  const nothing = (): void => {};
  const time = async (build: (tape: Tape) => void, sizes: Sizes): Promise<number> => {
    const once = (await best(repeated(build, 1), sizes)) - (await best(repeated(nothing, 1), sizes));
    const count = Math.max(1, Math.min(most, Math.ceil(wanted / Math.max(once, 1e-6))));
    const [work, empty] = [await best(repeated(build, count), sizes), await best(repeated(nothing, count), sizes)];
    return Math.max((work - empty) / count, 1e-9);
  };
  return {
    time,
    async copy() {
      const bytes = (cold ? 1024 : 64) * mebibyte;
      const [from, to] = [buffer(bytes, 'copy_from'), buffer(bytes, 'copy_to')];
      const seconds = await time((tape) => tape.copy(from, to), wholeSequence(1, 1));
      for (const { storage } of [from, to]) {
        owned.splice(owned.indexOf(storage!), 1);
        device.free(storage!);
      }
      return (2 * from.elements * 4) / seconds;
    },
    free: () => owned.forEach((one) => device.free(one)),
  };
}
