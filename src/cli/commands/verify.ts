// pegen verify: an encoding against numbers of the user's own, or a case of such numbers from the interpreter.

import type { Command } from 'commander';
import { addPrecisionFlag, addVerifyDeviceFlags, withDevice } from '../device.ts';
import type { DeviceFlags, PrecisionFlag } from '../device.ts';
import { failed, usage } from '../failure.ts';
import { addGeometryFlags, addEncodingFlags, compileOptionsOf, realNumber, wholeNumber } from '../flags.ts';
import type { EncodingFlags, GeometryFlags } from '../flags.ts';
import { printJson, showDiagnostics, table } from '../show.ts';
import { readSource, readText } from '../source-file.ts';
import type { CompileOptions } from '../../options.ts';
import type { Source } from '../../source.ts';
import type { Case } from '../../verify/case.ts';
import type { Runner, Verified } from '../../verify/run.ts';

interface Flags extends EncodingFlags, GeometryFlags, PrecisionFlag, Pick<DeviceFlags, 'emulate'> {
  readonly vectors?: readonly string[];
  readonly write?: string;
  readonly device: DeviceFlags['device'] | 'reference';
  readonly tolerance?: number;
  readonly json?: boolean;
  readonly batch: number;
  readonly tokens: number;
  readonly seed: number;
}

export function addVerify(command: Command): void {
  command
    .argument('<file>', 'a .pe file')
    .option('--vectors <case.json>', 'the numbers: inputs, outputs, gradients; may be repeated', collected)
    .option('--write <case.json>', 'make such a file from the float64 interpreter instead')
    .option(
      '--tolerance <x>',
      'largest error over largest magnitude (default: 1e-8, on kernels 2e-5, in bf16 two roundings)',
      realNumber(0),
    )
    .option('--batch <n>', 'with --write: sequences', wholeNumber(1), 2)
    .option('--tokens <n>', 'with --write: tokens', wholeNumber(1), 9)
    .option('--seed <n>', 'with --write: of the random inputs', wholeNumber(0), 1)
    .option('--json', 'as JSON');
  addPrecisionFlag(addVerifyDeviceFlags(addGeometryFlags(addEncodingFlags(command))))
    .addHelpText(
      'after',
      `
Examples:
  $ pegen verify examples/carope.pe --vectors carope.json
  $ pegen verify examples/carope.pe --vectors carope.json --device auto
  $ pegen verify examples/carope.pe --vectors carope.json --emulate --precision bf16
  $ pegen verify mine.pe --write mine.json --heads 2 --head-dim 8

Sizes come from the case. Exit code 1 past the tolerance, or when the output or a gradient of the
case was not compared. The format of a case: src/verify/README.md in the package.`,
    )
    .action(run);
}

const collected = (path: string, before: readonly string[] = []): readonly string[] => [...before, path];

async function run(path: string, flags: Flags): Promise<void> {
  if ((flags.vectors === undefined) === (flags.write === undefined))
    throw usage('say --vectors CASE.json to compare, or --write CASE.json to make a case');
  const source = await readSource(path);
  const base = await compileOptionsOf(flags);
  if (flags.write !== undefined) return write(flags.write, source, base, flags);

  const { emulate = false } = flags;
  const device = flags.device === 'reference' && emulate ? 'cuda' : flags.device;
  if (device === 'reference' && flags.precision === 'bf16')
    throw usage('the reference computes in float64', 'say --device cuda or --emulate with --precision bf16');
  const cases = await Promise.all(flags.vectors!.map(readVectors));
  const compare = async (runner: Runner, tolerance: number): Promise<boolean> => {
    let passed = true;
    for (const each of cases) passed = (await verifyCase(source, base, each, runner, tolerance, flags)) && passed;
    return passed;
  };
  const { bf16Tolerance, reference } = await import('../../verify/run.ts');
  const passed =
    device === 'reference'
      ? await compare(reference, flags.tolerance ?? 1e-8)
      : await withDevice(
          { device, emulate },
          async (opened) => {
            const { deviceRunner } = await import('../../verify/device-runner.ts');
            const { precision = 'f32' } = flags;
            const { lineOf } = await import('../../source.ts');
            return compare(
              deviceRunner(opened, { precision, lineOf: (span) => lineOf(source, span) }),
              flags.tolerance ?? (precision === 'bf16' ? bf16Tolerance : 2e-5),
            );
          },
          flags,
        );
  if (!passed) throw failed();
}

interface NamedCase {
  readonly name: string;
  readonly case: Case;
}

async function readVectors(name: string): Promise<NamedCase> {
  const { readCase } = await import('../../verify/case.ts');
  const read = readCase(await readText(name, 'a case'));
  if (!read.ok) throw usage(`${name} is not a case: ${read.problems.join('; ')}`);
  return { name, case: read.case };
}

async function verifyCase(
  source: Source,
  base: CompileOptions,
  { name, case: vectors }: NamedCase,
  runner: Runner,
  tolerance: number,
  flags: Flags,
): Promise<boolean> {
  const { geometryOf, verify } = await import('../../verify/run.ts');
  const { frontEnd } = await import('../../front-end.ts');
  const geometry = { ...geometryOf(vectors.sizes), layer: base.geometry.layer };
  const { lowered, diagnostics } = frontEnd(source, { ...base, geometry, laws: false });
  await showDiagnostics(diagnostics, source);
  if (lowered === null) throw failed();
  const result = await verify(lowered.attend, vectors, runner, tolerance);
  if (flags.vectors!.length > 1 && flags.json !== true) console.log(`${name}:`);
  show(result, tolerance, flags.json === true);
  return result.passed;
}

function show(result: Verified, tolerance: number, json: boolean): void {
  if (json) return printJson({ ...result, tolerance });
  result.problems.forEach((problem) => console.error(problem));
  if (result.rows.length === 0) return;
  const stored = result.rows.some(({ rounding }) => rounding > 0); // as bf16
  console.log(
    table([
      ['tensor', '', 'largest error', '', '', ...(stored ? ['bf16 storage'] : [])],
      ...result.rows.map(({ tensor, kind, error, passed, where, note, rounding }) => [
        tensor,
        kind,
        error === null ? '' : error.toExponential(2),
        error === null ? 'not compared' : passed ? 'ok' : 'too large',
        error === null ? note : passed ? '' : where,
        ...(stored ? [rounding.toExponential(2)] : []),
      ]),
    ]),
  );
  console.log(`${result.passed ? 'within' : 'not within'} ${tolerance} of each tensor's largest magnitude`);
  if (stored)
    console.log(
      'held against float64 with tensors rounded where they are stored as bf16; the last column is what that costs',
    );
}

async function write(
  path: string,
  source: Source,
  options: CompileOptions,
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
