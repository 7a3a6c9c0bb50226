// Starts the workers: of Node (worker_threads) or of a browser. A worker keeps the process alive only while `hold` says so.

import { DeviceError } from '../../device.ts';
import type { FromThread, ToThread } from './protocol.ts';

export interface Worker {
  /** Resolves once it has begun. */
  readonly ready: Promise<void>;
  post(message: ToThread, transfer?: readonly ArrayBuffer[]): void;
  hold(on: boolean): void;
  end(): Promise<void>;
}

export interface Listener {
  hear(message: FromThread): void;
  /** It has ended by itself. */
  lost(why: string): void;
}

export const inNode = (): boolean => typeof process === 'object' && process.versions?.node !== undefined;

/** `script`: where a bundler has put worker.js, if not beside this file. */
export async function startWorker(script: URL | undefined, listener: Listener): Promise<Worker> {
  let begun = (): void => undefined;
  let fail: (error: Error) => void = () => undefined;
  const ready = new Promise<void>((resolve, reject) => {
    begun = resolve;
    fail = reject;
  });
  ready.catch(() => undefined); // another may have failed before
  const heard: Listener = {
    hear(message) {
      if (message.kind === 'ready') begun();
      else listener.hear(message);
    },
    lost(why) {
      fail(new DeviceError('unavailable', `a thread of the CPU device does not start: ${why}`));
      listener.lost(why);
    },
  };
  return { ...(inNode() ? await startInNode(script, heard) : startInBrowser(script, heard)), ready };
}

async function startInNode(script: URL | undefined, listener: Listener): Promise<Omit<Worker, 'ready'>> {
  const { Worker: NodeWorker } = await import('node:worker_threads');
  const worker = new NodeWorker(script ?? new URL('./worker.js', import.meta.url), { execArgv: [] });
  let ended = false;
  worker.on('message', (message: FromThread) => listener.hear(message));
  worker.on('error', (error) => listener.lost(error.message));
  worker.on('exit', (code) => {
    if (!ended) listener.lost(`it ended with code ${code}`);
  });
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    hold(on) {
      if (on) worker.ref();
      else worker.unref();
    },
    async end() {
      ended = true;
      await worker.terminate();
    },
  };
}

function startInBrowser(script: URL | undefined, listener: Listener): Omit<Worker, 'ready'> {
  const worker =
    script === undefined
      ? new globalThis.Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
      : new globalThis.Worker(script, { type: 'module' });
  worker.onmessage = ({ data }: MessageEvent<FromThread>) => listener.hear(data);
  worker.onerror = (event) => {
    event.preventDefault();
    listener.lost(event.message ?? 'its script does not load');
  };
  return {
    post: (message, transfer = []) => worker.postMessage(message, [...transfer]),
    hold: () => undefined,
    async end() {
      worker.terminate();
    },
  };
}
