// Measurements: each kernel of a module alone, by timestamps where the adapter has them and by repetition where not; a
// plain copy for comparison; the trainer at its default size. Wall time, so the numbers are of this machine at this time.

import { wholeSequence } from '../../targets/device.ts';
import type { Buffer, Device, DeviceBuffer, Module, Sizes, Tape } from '../../targets/device.ts';
import type { LaunchPlan, Plan } from '../../codegen/plan/plan.ts';
import { evaluateSize } from '../../codegen/plan/size.ts';
import type { EncodingChoice } from '../trainer/choice.ts';
import { wholeBuffer } from '../trainer/store.ts';

export interface BenchRow {
  readonly kernel: string;
  readonly microseconds: number;
  readonly gigabytesPerSecond: number;
  readonly ofCopy: number; // share of the adapter's copy rate
  readonly gigaflopsPerSecond: number;
}

const repetitions = 20;
const copyBytes = 64 * 2 ** 20;

/** Seconds of one execution of what is recorded: the best of several. */
async function time(device: Device, build: (tape: Tape) => void, sizes: Sizes, wait: DeviceBuffer): Promise<number> {
  const recorded = await device.record(build, sizes);
  let best = Infinity;
  for (let round = 0; round < 4; round += 1) {
    await device.read(wait, 0, 4); // nothing else is under way
    const start = performance.now();
    device.run(recorded);
    await device.read(wait, 0, 4);
    if (round > 0) best = Math.min(best, performance.now() - start);
  }
  device.release(recorded);
  return best / 1000;
}

/** Bytes read and written a second by copies of 64 MiB. */
export async function benchCopy(device: Device): Promise<number> {
  const bytes = Math.min(copyBytes, device.maxBufferBytes);
  const [from, to] = ['copy_from', 'copy_to'].map((name) => wholeBuffer(device.allocate(bytes, name))) as [
    Buffer,
    Buffer,
  ];
  const sizes = wholeSequence(1, 1);
  const empty = await time(device, () => {}, sizes, to.storage!);
  const copies = (tape: Tape): void => {
    for (let n = 0; n < repetitions; n += 1) tape.copy(from, to);
  };
  const seconds = (await time(device, copies, sizes, to.storage!)) - empty;
  [from, to].forEach(({ storage }) => device.free(storage!));
  return (2 * bytes * repetitions) / Math.max(seconds, 1e-9);
}

/** Every kernel of a plan, run again and again on buffers of ones. */
export async function benchModule(
  device: Device,
  module: Module,
  plan: Plan,
  { batch, tokens }: { readonly batch: number; readonly tokens: number },
  copy: number,
): Promise<readonly BenchRow[]> {
  await device.prepare(Object.values(module.kernels));
  const sizes = wholeSequence(batch, tokens);
  const rows: BenchRow[] = [];
  const launches = plan.entries.flatMap((entry) => entry.launches);
  for (const launch of launches) rows.push(await benchLaunch(device, module, launch, sizes, copy));
  return rows;
}

async function benchLaunch(
  device: Device,
  module: Module,
  { kernel, buffers }: LaunchPlan,
  sizes: Sizes,
  copy: number,
): Promise<BenchRow> {
  const held = buffers.map(({ name, shape, type }) => {
    const elements = shape.reduce((product, size) => product * evaluateSize(size, sizes), 1);
    const buffer = wholeBuffer(device.allocate(elements * 4, name));
    device.write(buffer.storage!, 0, type === 'i32' ? new Int32Array(elements) : new Float32Array(elements).fill(1));
    return buffer;
  });
  const generated = Object.values(module.kernels).find(({ name }) => name === kernel.name);
  if (generated === undefined) throw new Error(`the module has no kernel ${kernel.name}`);
  const wait = held.at(-1)!.storage!;
  const empty = await time(device, () => {}, sizes, wait);
  const repeat = (tape: Tape): void => {
    for (let n = 0; n < repetitions; n += 1) tape.launch(generated, held);
  };
  const seconds = Math.max((await time(device, repeat, sizes, wait)) - empty, 1e-9) / repetitions;
  held.forEach(({ storage }) => device.free(storage!));
  const bytesPerSecond = evaluateSize(kernel.cost.bytes, sizes) / seconds;
  return {
    kernel: kernel.name,
    microseconds: seconds * 1e6,
    gigabytesPerSecond: bytesPerSecond / 1e9,
    ofCopy: bytesPerSecond / copy,
    gigaflopsPerSecond: evaluateSize(kernel.cost.flops, sizes) / seconds / 1e9,
  };
}

/** Tokens a second of training at the default size, over a few steps. */
export async function benchTrainer(device: Device, choice: EncodingChoice): Promise<number> {
  const { configure } = await import('../trainer/configuration.ts');
  const { loadCorpus } = await import('../trainer/corpus.ts');
  const { prepareData } = await import('../trainer/data.ts');
  const { prepareModelOn } = await import('../trainer/prepare.ts');
  const { train } = await import('../trainer/train.ts');
  const configuration = configure({ steps: 20, report: 5, checkpoint: 0 });
  const data = await prepareData(await loadCorpus(null), configuration);
  const prepared = await prepareModelOn(device, choice, configuration, data.tokenizer.size);
  const { tokensPerSecond } = await train(device, prepared, {
    choice,
    configuration,
    data,
    folder: null,
    resume: null,
  });
  prepared.model.store.free();
  return tokensPerSecond;
}
