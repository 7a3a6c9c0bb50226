// How threads keep step inside a run: all meet after each command, and the items of a command are taken in chunks, first
// those of the thread's own share and then what is left of the others'. Which thread does an item says nothing of what it
// gives. Who waits spins for a while and then sleeps; who has slept in vain spins less the next time.

import { takenWord, word } from './protocol.ts';

export interface Team {
  /** Returns when all threads have called it as often as this one. */
  meet(): void;
  /** Calls `work` with ranges of 0 .. items - 1 until none is left. */
  share(items: number, chunk: number, work: (begin: number, end: number) => void): void;
}

/** Looks at a word in memory, about 30 ns each: what a sleep costs at most. */
const mostSpins = 3000;
const fewestSpins = 100;

export function createTeam(control: Int32Array, thread: number, threads: number): Team {
  if (threads === 1)
    return {
      meet: () => undefined,
      share(items, chunk, work) {
        for (let begin = 0; begin < items; begin += chunk) work(begin, Math.min(begin + chunk, items));
      },
    };
  let patience = mostSpins;

  const wait = (meeting: number): void => {
    for (let spin = 0; spin < patience; spin += 1) {
      if (Atomics.load(control, word.meeting) === meeting) continue;
      patience = Math.min(mostSpins, patience * 2);
      return;
    }
    patience = Math.max(fewestSpins, patience >> 1);
    Atomics.add(control, word.sleeping, 1);
    while (Atomics.load(control, word.meeting) === meeting) Atomics.wait(control, word.meeting, meeting);
    Atomics.sub(control, word.sleeping, 1);
  };

  return {
    meet() {
      const meeting = Atomics.load(control, word.meeting);
      if (Atomics.add(control, word.arrived, 1) < threads - 1) return wait(meeting);
      // The last to come: nobody else is doing anything.
      for (let each = 0; each < threads; each += 1) Atomics.store(control, takenWord(each), 0);
      Atomics.store(control, word.arrived, 0);
      Atomics.store(control, word.meeting, (meeting + 1) | 0);
      if (Atomics.load(control, word.sleeping) > 0) Atomics.notify(control, word.meeting);
    },
    share(items, chunk, work) {
      for (let step = 0; step < threads; step += 1) {
        const owner = (thread + step) % threads;
        const first = Math.floor((items * owner) / threads);
        const end = Math.floor((items * (owner + 1)) / threads);
        if (first === end) continue;
        const taken = takenWord(owner);
        for (;;) {
          const begin = first + Atomics.add(control, taken, chunk);
          if (begin >= end) break;
          work(begin, Math.min(begin + chunk, end));
        }
      }
    },
  };
}
