// The memory of a simulated kernel: storage buffers, workgroup memory and private arrays, each access checked for its
// bounds, for what was never written and for races. A lane may not touch an element that another lane of its workgroup
// has written since the last barrier, nor write one that another has read; workgroups may share nothing that is written.

import { roundToBf16 } from './bf16.ts';
import { loadedType, type KernelBody, type KernelSizes, type ValueType } from './kernel.ts';
import { evaluateSize } from './plan/size.ts';

export class SimulationError extends Error {
  readonly kernel: string;

  constructor(kernel: string, message: string) {
    super(`${kernel}: ${message}`);
    this.name = 'SimulationError';
    this.kernel = kernel;
  }
}

export type SimulatedBuffers = Readonly<Record<string, Float32Array | Int32Array>>;

/** One array that kernels read and write by index. */
export interface Region {
  readonly type: ValueType;
  read(index: number): number;
  write(index: number, value: number): void;
}

export interface Memory {
  readonly buffers: ReadonlyMap<string, Region>;
  readonly shared: ReadonlyMap<string, Region>;
  readonly arrays: ReadonlyMap<string, Region>;
  startGroup(group: number): void;
  startLane(lane: number): void;
  /** A barrier: what was written before may be read after it. */
  pass(): void;
}

interface Clock {
  group: number;
  lane: number; // of all lanes of all groups
  epoch: number; // counts barriers of all groups
}

const nobody = -1;
const several = -2;

/** Who wrote and who read each element last. */
function createWatch(kernel: string, name: string, length: number, clock: Clock, lanes: number) {
  const writer = new Int32Array(length).fill(nobody);
  const writeEpoch = new Int32Array(length);
  const reader = new Int32Array(length).fill(nobody);
  const readEpoch = new Int32Array(length);
  const readGroup = new Int32Array(length).fill(nobody);
  const race = (index: number, what: string, other: string): never => {
    const lane = `lane ${clock.lane % lanes} of workgroup ${clock.group}`;
    throw new SimulationError(kernel, `race: ${lane} ${what} ${name}[${index}], which ${other}`);
  };
  const checkWriter = (index: number, what: string): void => {
    const last = writer[index]!;
    if (last === nobody || last === clock.lane) return;
    const group = Math.floor(last / lanes);
    if (group !== clock.group) race(index, what, `workgroup ${group} writes`);
    if (writeEpoch[index] === clock.epoch) race(index, what, `lane ${last % lanes} wrote since the last barrier`);
  };
  return {
    read(index: number): void {
      checkWriter(index, 'reads');
      const mixed = readEpoch[index] === clock.epoch && reader[index] !== nobody && reader[index] !== clock.lane;
      reader[index] = mixed ? several : clock.lane;
      readEpoch[index] = clock.epoch;
      readGroup[index] = readGroup[index] === nobody || readGroup[index] === clock.group ? clock.group : several;
    },
    write(index: number): void {
      checkWriter(index, 'writes');
      if (readGroup[index] !== nobody && readGroup[index] !== clock.group) {
        race(index, 'writes', 'another workgroup reads');
      }
      if (reader[index] !== nobody && reader[index] !== clock.lane && readEpoch[index] === clock.epoch) {
        race(index, 'writes', 'another lane read since the last barrier');
      }
      writer[index] = clock.lane;
      writeEpoch[index] = clock.epoch;
    },
  };
}

export function createMemory(body: KernelBody, given: SimulatedBuffers, sizes: KernelSizes): Memory {
  const clock: Clock = { group: 0, lane: 0, epoch: 0 };
  const check = (name: string, length: number, index: number): void => {
    if (!(index >= 0 && index < length)) {
      throw new SimulationError(body.name, `${name}[${index}] is outside: ${name} has ${length} elements`);
    }
  };

  const storage = (binding: KernelBody['bindings'][number]): Region => {
    const { name } = binding;
    const type = loadedType(binding.type);
    const narrow = binding.type === 'bf16'; // a Float32Array of numbers that bf16 has
    const data = given[name];
    if (data === undefined) throw new SimulationError(body.name, `no buffer for the binding ${name}`);
    if (data instanceof Float32Array !== (type === 'f32')) {
      throw new SimulationError(body.name, `the buffer for ${name} is not of type ${type}`);
    }
    if (binding.access === 'read') {
      return {
        type,
        read: (index) => (check(name, data.length, index), data[index]!),
        write: () => {
          throw new SimulationError(body.name, `${name} is bound for reading only, but written`);
        },
      };
    }
    const watch = createWatch(body.name, name, data.length, clock, body.workgroup);
    return {
      type,
      read: (index) => (check(name, data.length, index), watch.read(index), data[index]!),
      write: (index, value) => {
        check(name, data.length, index);
        watch.write(index);
        data[index] = narrow ? roundToBf16(value) : value;
      },
    };
  };

  /** Memory that starts undefined for each workgroup (or lane): the stamp says for whom an element was written. */
  const local = (
    { name, type, size }: { readonly name: string; readonly type: ValueType; readonly size: number },
    owner: () => number,
    watched: boolean,
  ): Region => {
    const data = new Float64Array(size);
    const stamp = new Int32Array(size).fill(-1);
    const watch = watched ? createWatch(body.name, name, size, clock, body.workgroup) : null;
    const perLane = watched ? null : new Map<number, { data: Float64Array; stamp: Int32Array }>();
    const of = (): { data: Float64Array; stamp: Int32Array } => {
      if (perLane === null) return { data, stamp };
      const lane = clock.lane % body.workgroup;
      let own = perLane.get(lane);
      if (own === undefined) perLane.set(lane, (own = { data: new Float64Array(size), stamp: stamp.slice() }));
      return own;
    };
    return {
      type,
      read: (index) => {
        check(name, size, index);
        const own = of();
        if (own.stamp[index] !== owner()) {
          throw new SimulationError(body.name, `${name}[${index}] is read before it is written`);
        }
        // What another workgroup did to the same array is not shared with this one.
        watch?.read(index);
        return own.data[index]!;
      },
      write: (index, value) => {
        check(name, size, index);
        const own = of();
        watch?.write(index);
        own.data[index] = value;
        own.stamp[index] = owner();
      },
    };
  };

  let watchedShared = new Map<string, Region>();
  const renewShared = (): void => {
    watchedShared = new Map(body.shared.map((array) => [array.name, local(array, () => clock.group, true)]));
  };
  renewShared();
  // Workgroup memory is made anew for each workgroup; the regions handed out stay the same objects.
  const shared = new Map(
    body.shared.map((array): [string, Region] => [
      array.name,
      {
        type: array.type,
        read: (index) => watchedShared.get(array.name)!.read(index),
        write: (index, value) => watchedShared.get(array.name)!.write(index, value),
      },
    ]),
  );
  checkAliases(body, given);
  const scratch = (body.scratch ?? []).map((each) => ({ ...each, size: evaluateSize(each.size, sizes) }));
  return {
    buffers: new Map(body.bindings.map((binding) => [binding.name, storage(binding)])),
    shared,
    arrays: new Map([...body.arrays, ...scratch].map((array) => [array.name, local(array, () => clock.lane, false)])),
    startGroup(group) {
      clock.group = group;
      clock.epoch += 1;
      if (body.shared.length > 0) renewShared();
    },
    startLane(lane) {
      clock.lane = clock.group * body.workgroup + lane;
    },
    pass() {
      clock.epoch += 1;
    },
  };
}

/** One buffer bound twice, once for writing: targets refuse it or promise that it does not happen. */
function checkAliases(body: KernelBody, given: SimulatedBuffers): void {
  body.bindings.forEach((one, index) => {
    for (const other of body.bindings.slice(index + 1)) {
      const [a, b] = [given[one.name], given[other.name]];
      if (a === undefined || b === undefined || a.buffer !== b.buffer) continue;
      const apart = a.byteOffset + a.byteLength <= b.byteOffset || b.byteOffset + b.byteLength <= a.byteOffset;
      if (!apart && (one.access === 'read_write' || other.access === 'read_write')) {
        throw new SimulationError(body.name, `${one.name} and ${other.name} are the same memory, and one is written`);
      }
    }
  });
}
