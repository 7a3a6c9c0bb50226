// The entry of a thread, a worker of Node or of a browser: its first message says which thread it is, the rest are jobs.

import type { FromThread, ToThread } from './protocol.ts';
import { createThread } from './thread.ts';

type Post = (message: FromThread, transfer?: readonly ArrayBuffer[]) => void;

function listen(post: Post): (job: ToThread) => void {
  let thread: ((job: ToThread) => void) | null = null;
  return (job) => {
    if (thread !== null) return thread(job);
    if (job.kind !== 'begin') throw new Error(`the first message is ${job.kind}`);
    thread = createThread(job, post);
    post({ kind: 'ready' });
  };
}

const inNode = typeof process === 'object' && typeof process.getBuiltinModule === 'function';
if (inNode) {
  const port = process.getBuiltinModule('node:worker_threads').parentPort!;
  port.on(
    'message',
    listen((message, transfer = []) => port.postMessage(message, transfer)),
  );
} else {
  const scope = globalThis as unknown as {
    onmessage: (event: MessageEvent<ToThread>) => void;
    postMessage(message: FromThread, transfer: readonly ArrayBuffer[]): void;
  };
  const take = listen((message, transfer = []) => scope.postMessage(message, transfer));
  scope.onmessage = ({ data }) => take(data);
}
