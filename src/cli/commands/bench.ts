// pegen bench: kernels against the adapter's own copy rate, and the trainer's speed.

import type { Command } from 'commander';
import { deviceOption, withDevice } from '../device.ts';
import type { DeviceName } from '../device.ts';
import { addEncodingFlags, addGeometryFlags, compileOptionsOf, wholeNumber } from '../flags.ts';
import type { EncodingFlags, GeometryFlags } from '../flags.ts';
import { failed } from '../failure.ts';
import { printJson, showDiagnostics, table } from '../show.ts';
import { readSource } from '../source-file.ts';
import type { BenchRow } from '../bench-kernels.ts';

interface Flags extends EncodingFlags, GeometryFlags {
  readonly batch: number;
  readonly tokens: number;
  readonly device: DeviceName;
  readonly json?: boolean;
}

export function addBench(command: Command): void {
  command
    .argument('[files...]', '.pe files (default: rope and carope of the package)')
    .option('--batch <n>', 'sequences', wholeNumber(1), 8)
    .option('--tokens <n>', 'tokens of each', wholeNumber(1), 64)
    .option('--json', 'as JSON')
    .addOption(deviceOption())
    .addHelpText(
      'after',
      '\nExample:\n  $ pegen bench examples/carope.pe --batch 8 --tokens 1024 --heads 12 --head-dim 64',
    );
  addGeometryFlags(addEncodingFlags(command)).action(run);
}

async function run(paths: readonly string[], flags: Flags): Promise<void> {
  const { examplesFolder } = await import('../examples.ts');
  const { join } = await import('node:path');
  const folder = await examplesFolder();
  const files = paths.length > 0 ? paths : ['rope.pe', 'carope.pe'].map((name) => join(folder, name));
  const options = await compileOptionsOf(flags);
  const { compile } = await import('../../compile.ts');
  const { benchCopy, benchModule, benchTrainer } = await import('../bench-kernels.ts');
  const { loadModule } = await import('../../load-module.ts');
  await withDevice(flags.device, async (device) => {
    const copy = await benchCopy(device);
    const sizes = { batch: flags.batch, tokens: flags.tokens };
    const all: { name: string; rows: readonly BenchRow[]; tokensPerSecond: number }[] = [];
    for (const path of files) {
      const source = await readSource(path);
      const { plan, module, diagnostics, encoding } = await compile(source, { ...options, laws: false });
      await showDiagnostics(diagnostics, source);
      if (plan === null || module === null || encoding === null) throw failed();
      const rows = await benchModule(device, await loadModule(module), plan.attend, sizes, copy);
      const tokensPerSecond = await benchTrainer(device, {
        source,
        encoding: options.encoding,
        params: options.params,
      });
      all.push({ name: encoding.name, rows, tokensPerSecond });
    }
    if (flags.json === true) return printJson({ device: device.description, copyBytesPerSecond: copy, encodings: all });
    console.log(`copy: ${(copy / 1e9).toFixed(2)} GB/s`);
    for (const { name, rows, tokensPerSecond } of all) {
      console.log(`\n${name}, batch ${flags.batch}, ${flags.tokens} tokens`);
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
  });
}
