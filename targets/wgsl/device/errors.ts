// What went wrong on a device, kept until somebody waits: uncaptured errors, errors of allocation, the loss of the device.
// Synchronous calls fail at once when the device is known to be gone; each await fails with the first error since.

import { DeviceError } from '../../device.ts';

export interface Failures {
  /** Throws what has gone wrong so far. An error that is no loss is thrown once. */
  check(): void;
  /** Waits for a promise; the loss of the device or an error in between is thrown instead of what it gives. */
  wait<T>(promise: Promise<T>): Promise<T>;
  /** Notes what a pending error scope will say. */
  watch(scope: Promise<GPUError | null>, describe: (message: string) => DeviceError): void;
  /** The device is closed on purpose; later calls say so. */
  close(): void;
}

export function createFailures(device: GPUDevice): Failures {
  let lost: DeviceError | null = null;
  let first: DeviceError | null = null;
  let closed = false;
  const pending = new Set<Promise<void>>();

  const loss: Promise<never> = new Promise((_, reject) => {
    void device.lost.then((info) => {
      lost = new DeviceError(
        'lost',
        closed
          ? 'the device has been closed'
          : `the GPU device was lost (${info.reason ?? 'unknown'}: ${firstLine(info.message)}); ` +
              'open it again and resume from the last checkpoint; a smaller batch helps if a kernel took too long',
      );
      reject(lost);
    });
  });
  loss.catch(() => undefined); // nobody may be waiting
  device.addEventListener('uncapturederror', (event) => {
    (event as Event).preventDefault?.();
    first ??= errorOf((event as GPUUncapturedErrorEvent).error);
  });

  const check = (): void => {
    if (lost !== null) throw lost;
    if (first === null) return;
    const error = first;
    first = null;
    throw error;
  };
  return {
    check,
    async wait(promise) {
      check();
      let result;
      try {
        result = await Promise.race([promise, loss]);
      } catch (error) {
        // A rejected promise of a lost device comes a little before the loss itself.
        await Promise.race([device.lost, new Promise((resolve) => setTimeout(resolve, 20))]);
        check();
        throw error;
      }
      while (pending.size > 0) await Promise.race([Promise.all(pending), loss]);
      check();
      return result;
    },
    watch(scope, describe) {
      const noted: Promise<void> = scope
        .then(
          (error) => {
            if (error !== null) first ??= describe(firstLine(error.message));
          },
          () => undefined, // the device is lost, which is noted elsewhere
        )
        .finally(() => pending.delete(noted));
      pending.add(noted);
    },
    close() {
      closed = true;
      lost ??= new DeviceError('lost', 'the device has been closed');
    },
  };
}

function errorOf(error: GPUError): DeviceError {
  const outOfMemory = error.constructor.name === 'GPUOutOfMemoryError';
  return outOfMemory
    ? new DeviceError('out-of-memory', `the GPU is out of memory: ${firstLine(error.message)}`)
    : new DeviceError('internal', `WebGPU refused a call: ${error.message}`);
}

export function firstLine(text: string): string {
  return text.split('\n')[0]!.trim();
}
