// pegen verify: an encoding against numbers of the user's own, or a case of such numbers from the interpreter.

import type { Command } from 'commander';
import { addPrecisionFlag, addVerifyDeviceFlags, withDevice } from '../device.ts';
import type { DeviceFlags, PrecisionFlag } from '../device.ts';
import { failed, usage } from '../failure.ts';
import {
  addBidirectionalFlag,
  addEncodingFlags,
  addGeometryFlags,
  addRewriteFlag,
  compileOptionsOf,
  realNumber,
  wholeNumber,
} from '../flags.ts';
import type { EncodingFlags, GeometryFlags, RewriteFlags } from '../flags.ts';
import { printJson, showDiagnostics, table } from '../show.ts';
import { readSource, readText } from '../source-file.ts';
import type { PlanOptions } from '../../../codegen/plan/plan.ts';
import type { CompileOptions } from '../../options.ts';
import type { Source } from '../../source.ts';
import type { Case } from '../../verify/case.ts';
import type { VerifiedEncoding } from '../../verify/embedding.ts';
import type { Runner } from '../../verify/run.ts';

interface Flags
  extends EncodingFlags, GeometryFlags, PrecisionFlag, RewriteFlags, Pick<DeviceFlags, 'emulate' | 'threads'> {
  readonly vectors?: readonly string[];
  readonly write?: string;
  readonly device: DeviceFlags['device'] | 'reference';
  readonly tolerance?: number;
  readonly json?: boolean;
  readonly batch: number;
  readonly tokens: number;
  readonly seed: number;
  readonly training?: boolean;
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
    .option('--training', 'with --write: in a training step')
    .option('--json', 'as JSON');
  addRewriteFlag(
    addPrecisionFlag(addVerifyDeviceFlags(addBidirectionalFlag(addGeometryFlags(addEncodingFlags(command))))),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ pegen verify examples/carope.pe --vectors carope.json
  $ pegen verify examples/carope.pe --vectors carope.json --device auto
  $ pegen verify examples/carope.pe --vectors carope.json --emulate --precision bf16
  $ pegen verify mine.pe --write mine.json --heads 2 --head-dim 8

With --precision bf16 two plans are compared: what is trained, and one with bf16 only in inputs and
results (bf16-borders), which is held against float64 itself.

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
  if (base.rewrites.includes('generators'))
    throw usage('--rewrites generators is the same model with other weights', 'compare without it');
  if (flags.write !== undefined) return write(flags.write, source, base, flags);

  const { emulate = false } = flags;
  const device = flags.device === 'reference' && emulate ? 'cuda' : flags.device;
  if (device === 'reference' && flags.precision === 'bf16')
    throw usage('the reference computes in float64', 'say --device cuda or --emulate with --precision bf16');
  const cases = await Promise.all(flags.vectors!.map(readVectors));
  const compare = async (plans: readonly NamedRunner[], tolerance: number): Promise<boolean> => {
    let passed = true;
    for (const each of cases) passed = (await verifyCase(source, base, each, plans, tolerance, flags)) && passed;
    return passed;
  };
  const { bf16Tolerance, reference } = await import('../../verify/run.ts');
  const passed =
    device === 'reference'
      ? await compare([{ plan: 'reference', runner: reference }], flags.tolerance ?? 1e-8)
      : await withDevice(
          { ...flags, device },
          async (opened) => {
            const { deviceRunner } = await import('../../verify/device-runner.ts');
            const { precision = 'f32' } = flags;
            const { lineOf } = await import('../../source.ts');
            const { rewrites } = base;
            const runnerOf = (plan: Partial<PlanOptions>): Runner =>
              deviceRunner(opened, { plan: { rewrites, ...plan }, precision, lineOf: (span) => lineOf(source, span) });
            return precision === 'bf16'
              ? compare(
                  [
                    { plan: 'bf16', runner: runnerOf({}) },
                    { plan: 'bf16-borders', runner: runnerOf({ inside: 'f32' }) },
                  ],
                  flags.tolerance ?? bf16Tolerance,
                )
              : compare([{ plan: 'f32', runner: runnerOf({}) }], flags.tolerance ?? 2e-5);
          },
          flags,
        );
  if (!passed) throw failed();
}

/** What computes, and what its lines are called. */
interface NamedRunner {
  readonly plan: 'reference' | 'f32' | 'bf16' | 'bf16-borders';
  readonly runner: Runner;
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
  plans: readonly NamedRunner[],
  tolerance: number,
  flags: Flags,
): Promise<boolean> {
  const { geometryOf } = await import('../../verify/run.ts');
  const { verifyEncoding } = await import('../../verify/embedding.ts');
  const { frontEnd } = await import('../../front-end.ts');
  const { layer } = base.geometry;
  const bidirectional = vectors.bidirectional || base.geometry.bidirectional === true; // a file need not say it
  const geometry = { ...geometryOf(vectors.sizes), layer, bidirectional };
  const { lowered, diagnostics } = frontEnd(source, { ...base, geometry, laws: false });
  await showDiagnostics(diagnostics, source);
  if (lowered === null) throw failed();
  const compared: Compared[] = [];
  for (const { plan, runner } of plans)
    compared.push({ plan, ...(await verifyEncoding(lowered, vectors, runner, tolerance)) });
  if (flags.vectors!.length > 1 && flags.json !== true) console.log(`${name}:`);
  show(compared, tolerance, flags.json === true);
  return compared.every(({ passed }) => passed);
}

type Compared = VerifiedEncoding & Pick<NamedRunner, 'plan'>;

/** What a plan is, for those of which there are several. */
const meanings: Partial<Record<NamedRunner['plan'], string>> = {
  bf16: 'bf16: what is trained; held against float64 with tensors rounded where that stores them as bf16',
  'bf16-borders': 'bf16-borders: bf16 only in inputs and results; held against float64 on inputs rounded once',
};

function show(compared: readonly Compared[], tolerance: number, json: boolean): void {
  const rows = compared.flatMap(({ plan, rows: own }) => own.map((row) => ({ plan, ...row })));
  const problems = compared[0]!.problems; // of the case, the same for all plans
  const passed = compared.every((each) => each.passed);
  const { embedding } = compared[0]!;
  if (json) return printJson({ rows, problems, passed, tolerance, embedding });
  problems.forEach((problem) => console.error(problem));
  if (rows.length === 0) return;
  const told = compared.flatMap(({ plan }) => meanings[plan] ?? []);
  const isBf16 = told.length > 0;
  console.log(
    table([
      [...(isBf16 ? ['plan'] : []), 'tensor', '', 'largest error', '', ...(isBf16 ? ['by roundings'] : []), ''],
      ...rows.map(({ plan, tensor, kind, part, error, passed: isWithin, where, note, rounding }) => [
        ...(isBf16 ? [plan] : []),
        tensor,
        part === 'attention' ? kind : `${kind}, ${part}`,
        error === null ? '' : error.toExponential(2),
        error === null ? 'not compared' : isWithin ? 'ok' : 'too large',
        ...(isBf16 ? [rounding.toExponential(2)] : []),
        error === null ? note : isWithin ? '' : where,
      ]),
    ]),
  );
  console.log(`${passed ? 'within' : 'not within'} ${tolerance} of each tensor's largest magnitude`);
  if (embedding === 'interpreter')
    console.log('embedding: the case has no numbers of what is done to it; the float64 interpreter made them');
  told.forEach((line) => console.log(line));
  if (isBf16) console.log('by roundings: how far those roundings alone move what is expected');
}

async function write(
  path: string,
  source: Source,
  options: CompileOptions,
  { batch, tokens, seed, training = false }: Flags,
): Promise<void> {
  const { frontEnd } = await import('../../front-end.ts');
  const { lowered, checked, diagnostics } = frontEnd(source, { ...options, laws: false });
  await showDiagnostics(diagnostics, source);
  if (lowered === null || checked === null) throw failed();
  const { makeEncodingCase } = await import('../../verify/embedding.ts');
  const { writeCase } = await import('../../verify/case.ts');
  const { writeAtomic } = await import('../../trainer/atomic.ts');
  const made = await makeEncodingCase(checked, lowered, { batch, tokens, seed, training });
  await writeAtomic(path, [writeCase(made)]);
  console.log(`wrote ${path}`);
}
