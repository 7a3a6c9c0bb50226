// Runs a record: its commands are enqueued one by one the first time, captured as a graph the second time, and from then on
// a run is one call. Where the driver refuses to capture, commands are enqueued each time. With events around every launch
// a run tells the time of each kernel.

import type { KernelTime } from '../../device.ts';
import type { Driver } from './driver.ts';
import type { Failures, Subject } from './errors.ts';
import type { Products } from './products.ts';
import type { Command, CudaRecorded } from './record.ts';
import type { Stream } from './stream.ts';

export interface Runner {
  run(recorded: CudaRecorded): void;
  timed(recorded: CudaRecorded): Promise<readonly KernelTime[]>;
  /** Runs, and tells the seconds between two events around it. */
  elapsed(recorded: CudaRecorded): Promise<number>;
  release(recorded: CudaRecorded): void;
}

/** `checked`: every launch is waited for, so that a fault has a name. */
export function createRunner(
  driver: Driver,
  stream: Stream,
  failures: Failures,
  products: Products | null,
  checked: boolean,
): Runner {
  const expect = (code: number, name: Parameters<Driver['code']>[0], subject: Subject | null): void => {
    if (code !== 0) failures.refuse(code, name, subject);
  };
  const enqueue = (command: Command): void => {
    switch (command.kind) {
      case 'launch': {
        const { handle, groups, lanes, parameters, kernel } = command;
        const code = driver.code('cuLaunchKernel', handle, groups, 1, 1, lanes, 1, 1, 0, stream.handle, parameters, 0n);
        if (code !== 0) failures.refuse(code, 'cuLaunchKernel', subjectOf(kernel));
        return;
      }
      case 'product':
        products!.enqueue(command.planned, command.kernel);
        return;
      case 'clear':
        if (command.bytes === 0) return;
        expect(
          driver.code('cuMemsetD8Async', command.address, 0, command.bytes, stream.handle),
          'cuMemsetD8Async',
          null,
        );
        return;
      case 'copy':
        if (command.bytes === 0) return;
        expect(
          driver.code('cuMemcpyDtoDAsync_v2', command.to, command.from, command.bytes, stream.handle),
          'cuMemcpyDtoDAsync_v2',
          null,
        );
        return;
      default:
        command satisfies never;
    }
  };
  const enqueueAll = ({ commands }: CudaRecorded): void => {
    for (const command of commands) {
      enqueue(command);
      if (!checked || (command.kind !== 'launch' && command.kind !== 'product')) continue;
      expect(driver.code('cuStreamSynchronize', stream.handle), 'cuStreamSynchronize', subjectOf(command.kernel));
    }
  };
  /** The record as a graph, or null where something of it cannot be captured. */
  const capture = (recorded: CudaRecorded): bigint | null => {
    if (driver.code('cuStreamBeginCapture_v2', stream.handle, captureMode) !== 0) return null;
    let captured = true;
    try {
      for (const command of recorded.commands) enqueue(command);
    } catch {
      captured = false;
    }
    const out = new BigUint64Array(1);
    const ended = driver.code('cuStreamEndCapture', stream.handle, out);
    const graph = out[0]!;
    if (ended !== 0 || graph === 0n) return null;
    const made = captured ? driver.code('cuGraphInstantiateWithFlags', out, graph, 0) : 1;
    driver.code('cuGraphDestroy', graph);
    return made === 0 ? out[0]! : null;
  };
  const started = ({ kernels }: CudaRecorded): void => {
    stream.enqueued();
    failures.launched(kernels);
  };
  const run = (recorded: CudaRecorded): void => {
    failures.check();
    started(recorded);
    if (recorded.graph.kind === 'none' && recorded.graph.runs > 0 && !checked) {
      const executable = capture(recorded);
      recorded.graph = executable === null ? { kind: 'refused' } : { kind: 'graph', executable };
    }
    if (recorded.graph.kind === 'graph') {
      expect(driver.code('cuGraphLaunch', recorded.graph.executable, stream.handle), 'cuGraphLaunch', null);
      return;
    }
    if (recorded.graph.kind === 'none') recorded.graph = { kind: 'none', runs: recorded.graph.runs + 1 };
    enqueueAll(recorded);
  };
  return {
    run,
    async elapsed(recorded) {
      const [before, after] = [stream.event(true), stream.event(true)];
      try {
        stream.record(before);
        run(recorded);
        stream.record(after);
        await stream.wait();
        return milliseconds(driver, failures, before, after) / 1000;
      } finally {
        [before, after].forEach(stream.destroyEvent);
      }
    },
    async timed(recorded) {
      failures.check();
      started(recorded);
      const marks: { readonly name: string; readonly before: bigint; readonly after: bigint }[] = [];
      try {
        for (const command of recorded.commands) {
          if (command.kind !== 'launch' && command.kind !== 'product') {
            enqueue(command);
            continue;
          }
          const mark = { name: command.kernel.name, before: stream.event(true), after: stream.event(true) };
          marks.push(mark);
          stream.record(mark.before);
          enqueue(command);
          stream.record(mark.after);
        }
        await stream.wait();
        return sumTimes(driver, failures, marks);
      } finally {
        for (const { before, after } of marks) [before, after].forEach(stream.destroyEvent);
      }
    },
    release({ graph, commands }) {
      for (const command of commands) if (command.kind === 'product') products!.release(command.planned);
      if (graph.kind === 'graph') driver.code('cuGraphExecDestroy', graph.executable);
    },
  };
}

/** What other threads do meanwhile is of no concern. */
const captureMode = 2;

const subjectOf = ({ name, source }: { readonly name: string; readonly source: string }): Subject => ({
  kind: 'kernel',
  name,
  source,
});

function milliseconds(driver: Driver, failures: Failures, before: bigint, after: bigint): number {
  const out = new Float32Array(1);
  const code = driver.code('cuEventElapsedTime', out, before, after);
  if (code !== 0) failures.refuse(code, 'cuEventElapsedTime', null);
  return out[0]!;
}

/** The time of each kernel, longest first. */
function sumTimes(
  driver: Driver,
  failures: Failures,
  marks: readonly { readonly name: string; readonly before: bigint; readonly after: bigint }[],
): readonly KernelTime[] {
  const totals = new Map<string, { launches: number; milliseconds: number }>();
  for (const { name, before, after } of marks) {
    const total = totals.get(name) ?? { launches: 0, milliseconds: 0 };
    total.launches += 1;
    total.milliseconds += milliseconds(driver, failures, before, after);
    totals.set(name, total);
  }
  return [...totals]
    .map(([kernel, total]) => ({ kernel, ...total }))
    .toSorted((a, b) => b.milliseconds - a.milliseconds);
}
