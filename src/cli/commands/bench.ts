// pegen bench: kernels against the device's own copy rate; encodings alone over sizes; the trainer's speed.

import { Option } from 'commander';
import type { Command } from 'commander';
import type { Device } from '../../../targets/device.ts';
import { addDeviceFlags, addPrecisionFlag, withDevice } from '../device.ts';
import type { DeviceFlags, PrecisionFlag } from '../device.ts';
import { addEncodingFlags, addGeometryFlags, compileOptionsOf, wholeNumber } from '../flags.ts';
import type { EncodingFlags, GeometryFlags } from '../flags.ts';
import { failed, usage } from '../failure.ts';
import { byteSizes } from '../bench-sizes.ts';
import type { TrainerRow } from '../bench-trainer.ts';
import { printJson, showDiagnostics, table } from '../show.ts';
import { readSource } from '../source-file.ts';
import type { CompileOptions } from '../../options.ts';
import type { Source } from '../../source.ts';

interface Flags extends EncodingFlags, GeometryFlags, DeviceFlags, PrecisionFlag {
  readonly batch?: number;
  readonly tokens?: number;
  readonly bytes?: readonly number[];
  readonly train?: string;
  readonly steps?: number;
  readonly vocabulary?: number;
  readonly json?: boolean;
}

export function addBench(command: Command): void {
  command
    .argument('[files...]', '.pe files (default: rope and carope of the package)')
    .option('--batch <n>', 'sequences (default: 8; with --train that of the model)', wholeNumber(1))
    .option('--tokens <n>', 'tokens of each (default: 64; with --bytes at most 1024)', wholeNumber(1))
    .addOption(
      new Option('--bytes <sizes>', 'the encodings alone, so large that rotating moves this much').argParser(byteSizes),
    )
    .option('--train <model>', "the trainer's speed only: small or gpt2-124m")
    .option('--steps <n>', 'with --train: optimizer steps (default: 20)', wholeNumber(2))
    .option('--vocabulary <n>', 'with --train: rows of the embedding table', wholeNumber(1))
    .option('--json', 'as JSON');
  addPrecisionFlag(addDeviceFlags(command)).addHelpText(
    'after',
    `
Examples:
  $ pegen bench examples/carope.pe --batch 8 --tokens 1024 --heads 12 --head-dim 64
  $ pegen bench examples/rope.pe --bytes 4M,42M,512M --heads 32 --kv-heads 8 --head-dim 128
  $ pegen bench examples/rope.pe --train gpt2-124m --batch 32 --device cuda --precision bf16

With --bytes, what is measured is the encoding without attention: its forward, its backward, and both
with what they need in a training step. The floor is the time that the device takes to copy the bytes
that rotating query and key must move.`,
  );
  addGeometryFlags(addEncodingFlags(command)).action(run);
}

interface Bench {
  readonly sources: readonly Source[];
  readonly flags: Flags;
  readonly options: CompileOptions;
}

async function run(paths: readonly string[], flags: Flags): Promise<void> {
  if (flags.bytes !== undefined && (flags.train !== undefined || flags.batch !== undefined))
    throw usage('--bytes goes without --batch and --train', 'it chooses the batch itself');
  const { examplesFolder } = await import('../examples.ts');
  const { join } = await import('node:path');
  const folder = await examplesFolder();
  const files = paths.length > 0 ? paths : ['rope.pe', 'carope.pe'].map((name) => join(folder, name));
  const sources = await Promise.all(files.map(readSource));
  const chosen = await compileOptionsOf(flags);
  const { precision = 'f32' } = flags;
  const configuration = flags.train === undefined ? null : await modelOf(flags.train, flags);
  await withDevice(
    flags,
    async (device) => {
      const options = { ...chosen, target: device.language, precision, laws: false };
      const bench: Bench = { sources, flags, options };
      const say = (value: Readonly<Record<string, unknown>>): void =>
        printJson({ device: device.description, name: device.name, precision, ...value });
      if (configuration !== null) return benchTraining(device, bench, configuration, say);
      return flags.bytes === undefined ? benchAll(device, bench, say) : benchEncodings(device, bench, flags.bytes, say);
    },
    flags,
  );
}

type ModelFlags = Pick<Flags, 'batch' | 'context' | 'steps' | 'vocabulary' | 'precision'>;

type Say = (value: Readonly<Record<string, unknown>>) => void;

async function modelOf(model: string, { batch, context, steps, vocabulary, precision = 'f32' }: ModelFlags) {
  const { configure, presets } = await import('../../trainer/configuration.ts');
  if (!Object.hasOwn(presets, model))
    throw usage(`no model is called ${model}`, `one of ${Object.keys(presets).join(', ')}`);
  return configure({
    ...presets[model],
    ...(batch === undefined ? {} : { batch }),
    ...(context === undefined ? {} : { context }),
    ...(vocabulary === undefined ? {} : { vocabulary }),
    steps: steps ?? 20,
    report: 5,
    checkpoint: 0,
    precision,
  });
}

async function benchTraining(
  device: Device,
  { sources, flags }: Bench,
  configuration: Awaited<ReturnType<typeof modelOf>>,
  say: Say,
): Promise<void> {
  const { benchTrainer } = await import('../bench-trainer.ts');
  const rows: (TrainerRow & { readonly file: string })[] = [];
  for (const source of sources) {
    const choice = { source, encoding: flags.encoding ?? null, params: flags.param ?? {} };
    const start: number = rows.length === 0 ? 0 : performance.now();
    rows.push({ file: source.path, ...(await benchTrainer(device, choice, configuration, start)) });
  }
  if (flags.json === true) return say({ configuration, training: rows });
  console.log(
    table([
      ['file', 'tokens/s', 'first step', 'launches', 'parameters', 'temporaries', 'loss'],
      ...rows.map((row) => [
        row.file,
        Math.round(row.tokensPerSecond),
        `${row.secondsToFirstStep.toFixed(2)} s`,
        row.launches,
        row.parameters,
        `${(row.temporaryBytes / 1e6).toFixed(1)} MB`,
        row.lastLoss.toFixed(4),
      ]),
    ]),
  );
}

async function benchEncodings(device: Device, bench: Bench, sizes: readonly number[], say: Say): Promise<void> {
  const { compileAlone } = await import('../bench-encoding.ts');
  const { benchAlone } = await import('../bench-alone.ts');
  const { openStopwatch } = await import('../bench-time.ts');
  const { rowsFor } = await import('../bench-sizes.ts');
  const { frontEnd } = await import('../../front-end.ts');
  const { options, flags } = bench;
  const { heads, kv_heads, head_dim } = options.geometry;
  const bytesOfToken = (heads + kv_heads) * head_dim * (options.precision === 'bf16' ? 2 : 4);
  const stopwatch = openStopwatch(device, device.language === 'cuda' && flags.emulate !== true);
  const copy = await stopwatch.copy();
  const rows = [];
  for (const source of bench.sources) {
    const { checked, lowered, diagnostics } = frontEnd(source, options);
    await showDiagnostics(diagnostics, source);
    if (checked === null || lowered === null) throw failed();
    const alone = await compileAlone(lowered.attend, device.language, options.precision);
    if (alone === null) throw failed(`${checked.name} leaves query and key as they are: there is nothing to measure`);
    for (const bytes of sizes) {
      const at = rowsFor(bytes, bytesOfToken, flags.tokens ?? 1024);
      for (const row of await benchAlone(device, alone, at, stopwatch, copy))
        rows.push({ encoding: checked.name, precision: options.precision, asked: bytes, ...row });
    }
  }
  stopwatch.free();
  if (flags.json === true) return say({ heads, kv_heads, head_dim, copyBytesPerSecond: copy, rows });
  console.log(`copy: ${(copy / 1e9).toFixed(2)} GB/s`);
  console.log(
    table([
      ['encoding', 'part', 'batch', 'tokens', 'floor MB', 'moved MB', 'kernels', 'us', 'GB/s', 'of copy'],
      ...rows.map((row) => [
        row.encoding,
        row.part,
        row.batch,
        row.tokens,
        (row.floorBytes / 1e6).toFixed(2),
        (row.bytes / 1e6).toFixed(2),
        row.kernels,
        row.microseconds.toFixed(1),
        row.gigabytesPerSecond.toFixed(1),
        `${(100 * row.ofCopy).toFixed(0)}%`,
      ]),
    ]),
  );
}

async function benchAll(device: Device, bench: Bench, say: Say): Promise<void> {
  const { compile } = await import('../../compile.ts');
  const { benchModule } = await import('../bench-kernels.ts');
  const { benchTrainer } = await import('../bench-trainer.ts');
  const { openStopwatch } = await import('../bench-time.ts');
  const { loadModule } = await import('../../load-module.ts');
  const { options, flags } = bench;
  const sizes = { batch: flags.batch ?? 8, tokens: flags.tokens ?? 64 };
  const configuration = await modelOf('small', { precision: options.precision });
  const stopwatch = openStopwatch(device, false);
  const copy = await stopwatch.copy();
  const all = [];
  for (const source of bench.sources) {
    const { plan, module, diagnostics, encoding } = await compile(source, options);
    await showDiagnostics(diagnostics, source);
    if (plan === null || module === null || encoding === null) throw failed();
    const rows = await benchModule(device, await loadModule(module), plan.attend, sizes, stopwatch, copy);
    const choice = { source, encoding: options.encoding, params: options.params };
    const { tokensPerSecond } = await benchTrainer(device, choice, configuration);
    all.push({ name: encoding.name, rows, tokensPerSecond });
  }
  stopwatch.free();
  if (flags.json === true) return say({ copyBytesPerSecond: copy, encodings: all });
  console.log(`copy: ${(copy / 1e9).toFixed(2)} GB/s`);
  for (const { name, rows, tokensPerSecond } of all) {
    console.log(`\n${name}, batch ${sizes.batch}, ${sizes.tokens} tokens`);
    console.log(
      table([
        ['kernel', 'us', 'GB/s', 'of copy', 'GFLOP/s'],
        ...rows.map((row) => [
          row.kernel,
          row.microseconds.toFixed(1),
          row.gigabytesPerSecond.toFixed(2),
          `${(100 * row.ofCopy).toFixed(0)}%`,
          row.gigaflopsPerSecond.toFixed(2),
        ]),
      ]),
    );
    console.log(`trainer: ${Math.round(tokensPerSecond).toLocaleString('en-US')} tokens/s`);
  }
}
