// One thread: jobs come in, in order; it keeps modules and records, runs records in step with the others, and as the leader
// writes, clears and reads memory in between. Replies and failures go to the host.

import { createTeam, type Team } from './lockstep.ts';
import type { Move } from './move.ts';
import { openOnThread } from './products/library.ts';
import type { Multiplier } from './products/work.ts';
import { clearCommand, commandWords, copyCommand, mostText, movedBytes, productCommand, word } from './protocol.ts';
import type { FromThread, LeaderJob, ToThread } from './protocol.ts';

type Begin = Extract<ToThread, { kind: 'begin' }>;
type Run = Extract<ToThread, { kind: 'run' }>;
type Record = Pick<Extract<ToThread, { kind: 'record' }>, 'commands' | 'products'>;
type Items = (begin: number, end: number, call: number, scratch: number) => void;

/** The number of the module with `fill` and `copy`. */
export const moveId = 0;

export function createThread(
  { thread, threads, memory: given, control }: Begin,
  post: (message: FromThread, transfer?: readonly ArrayBuffer[]) => void,
): (job: ToThread) => void {
  const memory = given instanceof WebAssembly.Memory ? given : new WebAssembly.Memory(given);
  const team = createTeam(control, thread, threads);
  const launches: Items[] = []; // by module
  const records = new Map<number, Record>();
  let move: Move | null = null;
  let multiplier: Multiplier | null = null;
  const isLeader = thread === 0;

  const instantiate = (id: number, module: WebAssembly.Module): void => {
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    if (id === moveId) move = exports as unknown as Move;
    else launches[id] = (exports as unknown as { run: Items }).run;
  };

  const run = ({ id, scratch, stride, reply }: Run): void => {
    const { commands, products } = records.get(id)!;
    const count = commands.length / commandWords;
    const times = reply !== null && isLeader ? new Float64Array(count + 1) : null;
    const own = scratch + thread * stride;
    team.meet();
    if (times !== null) times[0] = performance.now();
    for (let command = 0; command < count; command += 1) {
      if (Atomics.load(control, word.failed) === 0 && Atomics.load(control, word.stop) === 0)
        guarded(control, command, () => {
          const at = command * commandWords;
          if (commands[at] !== productCommand) return execute(at, commands, own, launches, move!, team);
          const works = products[commands[at + 1]!]!;
          team.share(works.length, 1, (begin, end) =>
            works.slice(begin, end).forEach((work) => multiplier!.multiply(work, own)),
          );
        });
      team.meet();
      if (times !== null) times[command + 1] = performance.now();
    }
    if (!isLeader) return;
    const failed = Atomics.exchange(control, word.failed, 0);
    if (failed > 0) post({ kind: 'failed', record: id, command: failed - 1, text: textOf(control) });
    if (times !== null) post({ kind: 'reply', reply: reply!, data: times.buffer }, [times.buffer]);
  };

  const reported = (what: string, work: () => void): void => {
    try {
      work();
    } catch (error) {
      post({ kind: 'failed', record: -1, command: -1, text: `${what}: ${messageOf(error)}` });
    }
  };

  const lead = (job: LeaderJob): void => {
    switch (job.kind) {
      case 'write':
        viewOf(memory, job.address, job.data.byteLength).set(job.data);
        return;
      case 'clear':
        move!.fill(job.address | 0, 0, job.bytes | 0);
        return;
      case 'read': {
        let data = new Uint8Array(0);
        // What waits for it hears of a failure, too.
        reported('read', () => (data = new Uint8Array(viewOf(memory, job.address, job.bytes))));
        post({ kind: 'reply', reply: job.reply, data: data.buffer }, [data.buffer]);
        return;
      }
      case 'grow':
        memory.grow(job.pages);
        return;
      default:
        job satisfies never;
    }
  };

  return (job) => {
    switch (job.kind) {
      case 'begin':
        return;
      case 'module':
        return reported('module', () => instantiate(job.id, job.module));
      case 'library':
        return reported('library', () => (multiplier = openOnThread(job.found, memory, move!.copy)));
      case 'record':
        records.set(job.id, job);
        return;
      case 'forget':
        // Threads keep step: when the leader is here, nobody is before it.
        if (isLeader) for (const work of records.get(job.id)!.products.flat()) multiplier?.free(work);
        records.delete(job.id);
        return;
      case 'run':
        run(job);
        break;
      default:
        reported(job.kind, () => lead(job));
    }
    if (isLeader) Atomics.add(control, word.done, 1);
  };
}

function execute(
  at: number,
  commands: Int32Array,
  scratch: number,
  launches: readonly Items[],
  move: Move,
  team: Team,
): void {
  const [what, x, y] = [commands[at]!, commands[at + 1]!, commands[at + 2]!];
  const [bytes, items, chunk] = [commands[at + 3]! >>> 0, commands[at + 4]!, commands[at + 5]!];
  const moved = (begin: number, end: number): number => (Math.min(end * movedBytes, bytes) - begin * movedBytes) | 0;
  switch (what) {
    case clearCommand:
      team.share(items, chunk, (begin, end) => move.fill((x + begin * movedBytes) | 0, 0, moved(begin, end)));
      return;
    case copyCommand:
      team.share(items, chunk, (begin, end) => {
        move.copy((y + begin * movedBytes) | 0, (x + begin * movedBytes) | 0, moved(begin, end));
      });
      return;
    default: {
      const launch = launches[what]!;
      team.share(items, chunk, (begin, end) => launch(begin, end, x, scratch));
    }
  }
}

/** The first failure of a run stays in control memory; the thread goes on to meet the others. */
function guarded(control: Int32Array, command: number, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (Atomics.compareExchange(control, word.failed, 0, command + 1) !== 0) return;
    const text = messageOf(error).slice(0, mostText);
    for (let at = 0; at < text.length; at += 1) control[word.text + 1 + at] = text.charCodeAt(at);
    control[word.text] = text.length;
  }
}

const textOf = (control: Int32Array): string =>
  String.fromCharCode(...control.subarray(word.text + 1, word.text + 1 + control[word.text]!));

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Made anew each time: memory may have grown, and where another thread did that this one hears of it a little later. */
function viewOf(memory: WebAssembly.Memory, address: number, bytes: number): Uint8Array {
  const isOwn = (memory.buffer as ArrayBufferLike) instanceof ArrayBuffer;
  while (!isOwn && memory.buffer.byteLength < address + bytes);
  return new Uint8Array(memory.buffer, address, bytes);
}
