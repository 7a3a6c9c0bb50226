// pegen verify: an encoding against numbers of the user's own, or a case of such numbers from the interpreter.

import { Option } from 'commander';
import type { Command } from 'commander';
import { withDevice } from '../device.ts';
import type { DeviceName } from '../device.ts';
import { failed, usage } from '../failure.ts';
import { addGeometryFlags, addEncodingFlags, compileOptionsOf, realNumber, wholeNumber } from '../flags.ts';
import type { EncodingFlags, GeometryFlags } from '../flags.ts';
import { printJson, showDiagnostics, table } from '../show.ts';
import { readSource, readText } from '../source-file.ts';
import type { Runner, Verified } from '../../verify/run.ts';

interface Flags extends EncodingFlags, GeometryFlags {
  readonly vectors?: string;
  readonly write?: string;
  readonly device: DeviceName | 'reference';
  readonly tolerance?: number;
  readonly json?: boolean;
  readonly batch: number;
  readonly tokens: number;
  readonly seed: number;
}

export function addVerify(command: Command): void {
  command
    .argument('<file>', 'a .pe file')
    .option('--vectors <case.json>', 'the numbers: inputs, outputs, gradients')
    .option('--write <case.json>', 'make such a file from the float64 interpreter instead')
    .addOption(
      new Option('--device <name>', 'reference: the float64 interpreter; else the kernels')
        .choices(['reference', 'auto', 'webgpu', 'swiftshader'])
        .default('reference'),
    )
    .option('--tolerance <x>', 'largest error over largest magnitude (default: 1e-8, on kernels 2e-5)', realNumber(0))
    .option('--batch <n>', 'with --write: sequences', wholeNumber(1), 2)
    .option('--tokens <n>', 'with --write: tokens', wholeNumber(1), 9)
    .option('--seed <n>', 'with --write: of the random inputs', wholeNumber(0), 1)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ pegen verify examples/carope.pe --vectors carope.json
  $ pegen verify examples/carope.pe --vectors carope.json --device auto
  $ pegen verify mine.pe --write mine.json --heads 2 --head-dim 8

Sizes come from the case. Exit code 1 past the tolerance, or when the output or a gradient of the
case was not compared. The format of a case: src/verify/README.md in the package.`,
    );
  addGeometryFlags(addEncodingFlags(command)).action(run);
}

async function run(path: string, flags: Flags): Promise<void> {
  if ((flags.vectors === undefined) === (flags.write === undefined))
    throw usage('say --vectors CASE.json to compare, or --write CASE.json to make a case');
  const source = await readSource(path);
  const base = await compileOptionsOf(flags);
  if (flags.write !== undefined) return write(flags.write, source, base, flags);

  const { readCase } = await import('../../verify/case.ts');
  const { geometryOf, reference, verify } = await import('../../verify/run.ts');
  const { frontEnd } = await import('../../front-end.ts');
  const read = readCase(await readText(flags.vectors!, 'a case'));
  if (!read.ok) throw usage(`${flags.vectors!} is not a case: ${read.problems.join('; ')}`);
  const geometry = { ...geometryOf(read.case.sizes), layer: base.geometry.layer };
  const { lowered, diagnostics } = frontEnd(source, { ...base, geometry, laws: false });
  await showDiagnostics(diagnostics, source);
  if (lowered === null) throw failed();
  const tolerance = flags.tolerance ?? (flags.device === 'reference' ? 1e-8 : 2e-5);
  const compare = (runner: Runner): Promise<Verified> => verify(lowered.attend, read.case, runner, tolerance);
  const result =
    flags.device === 'reference'
      ? await compare(reference)
      : await withDevice(flags.device, async (device) => {
          const { deviceRunner } = await import('../../verify/device-runner.ts');
          return compare(deviceRunner(device));
        });
  show(result, tolerance, flags.json === true);
  if (!result.passed) throw failed();
}

function show(result: Verified, tolerance: number, json: boolean): void {
  if (json) return printJson({ ...result, tolerance });
  result.problems.forEach((problem) => console.error(problem));
  if (result.rows.length === 0) return;
  console.log(
    table([
      ['tensor', '', 'largest error', '', ''],
      ...result.rows.map(({ tensor, kind, error, passed, where, note }) => [
        tensor,
        kind,
        error === null ? '' : error.toExponential(2),
        error === null ? 'not compared' : passed ? 'ok' : 'too large',
        error === null ? note : passed ? '' : where,
      ]),
    ]),
  );
  console.log(`${result.passed ? 'within' : 'not within'} ${tolerance} of each tensor's largest magnitude`);
}

async function write(
  path: string,
  source: Awaited<ReturnType<typeof readSource>>,
  options: Awaited<ReturnType<typeof compileOptionsOf>>,
  { batch, tokens, seed }: Flags,
): Promise<void> {
  const { frontEnd } = await import('../../front-end.ts');
  const { lowered, checked, diagnostics } = frontEnd(source, { ...options, laws: false });
  await showDiagnostics(diagnostics, source);
  if (lowered === null || checked === null) throw failed();
  const { makeCase } = await import('../../verify/make.ts');
  const { writeCase } = await import('../../verify/case.ts');
  const { writeAtomic } = await import('../../trainer/atomic.ts');
  const made = await makeCase(checked, lowered.attend, { batch, tokens, seed });
  await writeAtomic(path, [writeCase(made)]);
  console.log(`wrote ${path}`);
}
