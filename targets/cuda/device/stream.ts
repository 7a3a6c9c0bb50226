// The one stream of a device, and waiting on it: everything is enqueued in order; who waits looks at an event now and
// then, so that the event loop lives on.

import type { Driver } from './driver.ts';
import { results } from './driver.ts';
import type { Failures } from './errors.ts';

export interface Stream {
  readonly handle: bigint;
  /** Whether nothing was enqueued since the last wait. */
  idle(): boolean;
  /** Something has been enqueued. */
  enqueued(): void;
  /** Waits for what was enqueued before the call. */
  wait(): Promise<void>;
  /** The same, while nothing else happens. */
  block(): void;
  event(timed: boolean): bigint;
  record(event: bigint): void;
  destroyEvent(event: bigint): void;
  close(): void;
}

const withoutTiming = 2;
/** Turns of the event loop before each look waits for a millisecond. */
const turns = 200;

export function createStream(driver: Driver, failures: Failures): Stream {
  const out = new BigUint64Array(1);
  failures.call('cuStreamCreate', out, 1); // not ordered with the default stream
  const handle = out[0]!;
  let count = 0; // of what was enqueued
  let finished = 0; // of it, known to be done
  const free: bigint[] = []; // events
  const event = (timed: boolean): bigint => {
    failures.call('cuEventCreate', out, timed ? 0 : withoutTiming);
    return out[0]!;
  };
  const passed = (upTo: number): void => {
    if (upTo <= finished) return;
    finished = upTo;
    if (upTo === count) failures.well();
  };
  return {
    handle,
    idle: () => count === finished,
    enqueued() {
      count += 1;
    },
    async wait() {
      failures.check();
      const upTo = count;
      const mark = free.pop() ?? event(false);
      failures.call('cuEventRecord', mark, handle);
      for (let turn = 0; ; turn += 1) {
        const code = driver.code('cuEventQuery', mark);
        if (code === results.success) break;
        if (code !== results.notReady) failures.refuse(code, 'cuEventQuery', null);
        await new Promise<void>((resolve) => {
          if (turn < turns) setImmediate(resolve);
          else setTimeout(resolve, 1);
        });
        failures.check();
      }
      free.push(mark);
      passed(upTo);
    },
    block() {
      failures.check();
      failures.call('cuStreamSynchronize', handle);
      passed(count);
    },
    event,
    record(mark) {
      failures.call('cuEventRecord', mark, handle);
    },
    destroyEvent(mark) {
      driver.code('cuEventDestroy_v2', mark);
    },
    close() {
      for (const mark of free) driver.code('cuEventDestroy_v2', mark);
      driver.code('cuStreamDestroy_v2', handle);
    },
  };
}
