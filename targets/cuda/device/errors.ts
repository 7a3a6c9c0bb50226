// What a code of the driver means: a failed call comes in, a DeviceError with what to do about it goes out. After an error
// that the driver never forgets (an illegal address, a lost device) every later call fails, and says why.

import { DeviceError, type DeviceErrorKind } from '../../device.ts';
import { attributed, type Launched } from './blame.ts';
import type { Driver, DriverFunction } from './driver.ts';
import type { Argument } from './foreign.ts';

/** What a call was for. */
export type Subject =
  | { readonly kind: 'kernel'; readonly name: string; readonly source: string }
  | { readonly kind: 'task'; readonly what: string }; // 'to write into wte'

export interface Failures {
  /** Throws the error that the device has not survived. */
  check(): void;
  /** Calls the driver; a code other than success is thrown. */
  call(name: DriverFunction, ...args: readonly Argument[]): void;
  /** The same for a code that is known: of `name`, called for `subject`. */
  refuse(code: number, name: DriverFunction, subject: Subject | null): never;
  /** Notes what was enqueued since the device was last known to be well, and that it is. */
  launched(kernels: readonly Launched[]): void;
  well(): void;
  close(): void;
}

/** Codes after which the driver gives nothing but errors. */
const fatal: Readonly<Record<number, string>> = {
  4: 'the driver is being shut down',
  201: 'the context is gone',
  214: 'its memory has an error that cannot be corrected',
  219: 'a link between GPUs failed',
  220: 'a link between GPUs failed',
  700: 'a kernel used an address outside its buffers',
  702: 'a kernel ran too long',
  709: 'the context is gone',
  710: 'a kernel stopped itself',
  714: 'a kernel ran out of stack',
  715: 'a kernel has an instruction that this GPU does not know',
  716: 'a kernel used a misaligned address',
  717: 'a kernel used an address of the wrong kind',
  718: 'a kernel jumped outside its code',
  719: 'a kernel failed',
  999: 'the driver does not say why',
};

/** The fault of a kernel, not of the machine: the message names kernels. */
const ofKernels = new Set([700, 710, 714, 715, 716, 717, 718, 719]);

export function createFailures(driver: Driver, exact: boolean): Failures {
  let lost: DeviceError | null = null;
  let since: Launched[] = [];

  const refuse = (code: number, name: DriverFunction, subject: Subject | null): never => {
    const described = `${name}${subject?.kind === 'task' ? ` ${subject.what}` : ''}: ${driver.describe(code)}`;
    if (fatal[code] === undefined) throw refusal(code, described, subject);
    if (lost !== null) throw lost;
    const kernel = exact && subject?.kind === 'kernel' ? subject : null;
    const own = ofKernels.has(code);
    const first = own
      ? new DeviceError(
          'internal',
          `${fatal[code]}${attributed(kernel, since)} (${described})`,
          kernel?.name ?? null,
          kernel?.source ?? null,
        )
      : new DeviceError(
          'lost',
          `the GPU was lost: ${fatal[code]} (${described}); open it again and resume from the last checkpoint` +
            (code === 702 ? '; a smaller batch helps if a kernel took too long' : ''),
        );
    lost = own
      ? new DeviceError(
          'lost',
          `the GPU was lost when ${first.message}; start again and resume from the last checkpoint`,
          first.kernel,
          first.source,
        )
      : first;
    throw first;
  };
  return {
    check() {
      if (lost !== null) throw lost;
    },
    call(name, ...args) {
      const code = driver.code(name, ...args);
      if (code !== 0) refuse(code, name, null);
    },
    refuse,
    launched(kernels) {
      if (since.length < 4096) since.push(...kernels);
    },
    well() {
      since = [];
    },
    close() {
      lost ??= new DeviceError('lost', 'the device has been closed');
    },
  };
}

/** An error that the device survives. */
function refusal(code: number, described: string, subject: Subject | null): DeviceError {
  const kernel = subject?.kind === 'kernel' ? subject : null;
  const of = kernel === null ? '' : `${kernel.name} (${kernel.source}): `;
  const kind: DeviceErrorKind = kinds[code] ?? 'internal';
  const advice = advices[code];
  return new DeviceError(
    kind,
    `${of}${advice === undefined ? 'the CUDA driver refused a call' : advice} (${described})`,
    kernel?.name ?? null,
    kernel?.source ?? null,
  );
}

const kinds: Readonly<Record<number, DeviceErrorKind>> = {
  2: 'out-of-memory',
  34: 'unavailable',
  46: 'unavailable',
  100: 'unavailable',
  101: 'unavailable',
  200: 'invalid-kernel',
  209: 'invalid-kernel',
  218: 'invalid-kernel',
  222: 'invalid-kernel',
  701: 'limit',
  802: 'unavailable',
  803: 'unavailable',
};

const advices: Readonly<Record<number, string>> = {
  2: 'the GPU is out of memory; a smaller --batch, --context or --width, or --precision bf16, needs less',
  46: 'the GPU is busy or kept for another process',
  100: 'there is no NVIDIA GPU, or this process may not use it',
  101: 'there is no GPU of this number',
  200: 'the driver does not load what was compiled; a newer driver may, or remove the kernel cache',
  209: 'what was compiled is not for this GPU; remove the kernel cache',
  218: 'the driver does not compile the kernel',
  222: 'the driver is older than the compiler; update the driver',
  701: 'the kernel needs more registers or threads than the GPU has for a block',
  802: 'the GPU is not ready yet',
  803: 'the driver library and the kernel module have different versions; restart the machine',
};
