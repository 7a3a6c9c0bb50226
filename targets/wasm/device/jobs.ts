// The host's side of the threads: jobs are posted in order and never waited for; what fails comes out of the next call that
// checks or waits, with the kernel's name and its `.pe` line.

import { DeviceError } from '../../device.ts';
import type { Kernel } from '../../device.ts';
import { controlBytes, word } from './protocol.ts';
import type { FromThread, LeaderJob, ToThread } from './protocol.ts';
import { startWorker, type Worker } from './start.ts';

export interface Jobs {
  readonly threads: number;
  /** Whether all that was posted is done, so that the host may touch memory itself. */
  idle(): boolean;
  /** To all threads. */
  tell(message: Extract<ToThread, { kind: 'module' | 'library' | 'record' | 'forget' }>): void;
  run(id: number, scratch: number, stride: number): void;
  lead(job: Exclude<LeaderJob, { kind: 'read' }>): void;
  /** Waits for what was posted, too. */
  read(address: number, bytes: number): Promise<ArrayBuffer>;
  /** Milliseconds at the beginning of a run and after each command. */
  timed(id: number, scratch: number, stride: number): Promise<Float64Array>;
  /** Throws what has gone wrong: once, unless it is for good. */
  check(): void;
  close(): Promise<void>;
}

export interface Start {
  readonly threads: number;
  /** Shared, or what the only thread makes its own memory from. */
  readonly memory: WebAssembly.Memory | { readonly initial: number; readonly maximum: number };
  readonly script: URL | undefined;
  /** The kernel of a record's command; null: a clear or a copy. */
  kernelOf(record: number, command: number): Kernel | null;
}

interface Waiting {
  readonly resolve: (data: ArrayBuffer) => void;
  readonly reject: (error: Error) => void;
}

export async function startJobs({ threads, memory, script, kernelOf }: Start): Promise<Jobs> {
  const bytes = controlBytes(threads);
  const shared = memory instanceof WebAssembly.Memory;
  const control = new Int32Array(shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes));
  const waiting = new Map<number, Waiting>();
  const workers: Worker[] = [];
  let replies = 0;
  let posted = 0;
  let first: DeviceError | null = null;
  let lost: DeviceError | null = null;

  const end = (): Promise<unknown> => {
    Atomics.store(control, word.stop, 1);
    return Promise.all(workers.map((worker) => worker.end()));
  };
  const lose = (error: DeviceError): void => {
    if (lost !== null) return;
    lost = error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const check = (): void => {
    if (lost !== null) throw lost;
    if (first === null) return;
    const error = first;
    first = null;
    throw error;
  };
  const hear = (message: FromThread): void => {
    switch (message.kind) {
      case 'ready':
        return;
      case 'failed': {
        const { record, command, text } = message;
        first ??= failure(command < 0 ? null : kernelOf(record, command), text);
        return;
      }
      case 'reply': {
        const waits = waiting.get(message.reply);
        waiting.delete(message.reply);
        if (waiting.size === 0) workers[0]!.hold(false);
        if (first === null) return waits?.resolve(message.data);
        waits?.reject(first);
        first = null;
        return;
      }
      default:
        message satisfies never;
    }
  };
  const listener = {
    hear,
    lost(why: string) {
      if (lost !== null) return;
      lose(
        new DeviceError(
          'lost',
          `a thread of the CPU device was lost (${why}); open it again and resume from the last checkpoint`,
        ),
      );
      void end();
    },
  };

  const opening = Array.from({ length: threads }, () => startWorker(script, listener));
  const started = await Promise.allSettled(opening);
  for (const each of started) if (each.status === 'fulfilled') workers.push(each.value);
  const lead = (job: LeaderJob): void => {
    posted += 1;
    workers[0]!.post(job, job.kind === 'write' ? [job.data.buffer] : []);
  };
  const all = (message: ToThread): void => workers.forEach((worker) => worker.post(message));
  const run = (id: number, scratch: number, stride: number, reply: number | null): void => {
    posted += 1;
    all({ kind: 'run', id, scratch, stride, reply });
  };
  const reply = (post: (reply: number) => void): Promise<ArrayBuffer> => {
    check();
    return new Promise((resolve, reject) => {
      replies += 1;
      waiting.set(replies, { resolve, reject });
      workers[0]!.hold(true);
      post(replies);
    });
  };

  try {
    for (const each of started) if (each.status === 'rejected') throw each.reason;
    workers.forEach((worker, thread) => worker.post({ kind: 'begin', thread, threads, memory, control }));
    await Promise.all(workers.map((worker) => worker.ready));
  } catch (error) {
    await end();
    throw error;
  }
  workers.forEach((worker) => worker.hold(false));

  return {
    threads,
    idle: () => shared && (Atomics.load(control, word.done) - posted) % 2 ** 32 === 0,
    tell: all,
    run: (id, scratch, stride) => run(id, scratch, stride, null),
    lead,
    read: (address, count) => reply((number) => lead({ kind: 'read', address, bytes: count, reply: number })),
    timed: async (id, scratch, stride) => new Float64Array(await reply((number) => run(id, scratch, stride, number))),
    check,
    async close() {
      lose(new DeviceError('lost', 'the device has been closed'));
      await end();
    },
  };
}

function failure(kernel: Kernel | null, text: string): DeviceError {
  if (text.startsWith('grow: '))
    return new DeviceError(
      'out-of-memory',
      `this machine gives no more memory (${text.slice(6)}); a smaller --batch, --context, --width or --vocabulary needs less`,
    );
  if (kernel === null) return new DeviceError('internal', `a thread of the CPU device failed: ${text}`);
  return new DeviceError(
    'internal',
    `a fault in ${kernel.name} (${kernel.source}): ${text}`,
    kernel.name,
    kernel.source,
  );
}
