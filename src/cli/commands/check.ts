// pegen check: mistakes with their places, laws, learned tensors; exit 1 when there is an error.

import { Option } from 'commander';
import type { Command } from 'commander';
import type { Span } from '../../../grammar/span.ts';
import type { AngleStorage } from '../../laws/phases.ts';
import {
  addBidirectionalFlag,
  addEncodingFlags,
  addGeometryFlags,
  compileOptionsOf,
  realNumber,
  wholeNumber,
} from '../flags.ts';
import type { EncodingFlags, GeometryFlags } from '../flags.ts';
import { failed } from '../failure.ts';
import { printJson, showDiagnostics, textsOf } from '../show.ts';
import { readSource } from '../source-file.ts';

interface Flags extends EncodingFlags, GeometryFlags {
  readonly json?: boolean;
  readonly maxPosition?: number;
  readonly phaseError?: number;
  readonly angles?: AngleStorage;
}

export function addCheck(command: Command): void {
  command
    .argument('<files...>', '.pe files')
    .option('--json', 'diagnostics as JSON, for editors and scripts')
    .option(
      '--max-position <n>',
      'the position at which angles are judged (default: the last of the context)',
      wholeNumber(0),
    )
    .option('--phase-error <radians>', 'refuse angles that are further off there', realNumber(0))
    .addOption(
      new Option('--angles <storage>', 'judge angles as if they were kept so').choices(['float32', 'bf16', 'f16']),
    )
    .addHelpText(
      'after',
      `
Examples:
  $ pegen check examples/*.pe
  $ pegen check mine.pe --param base=500000 --heads 12 --head-dim 64
  $ pegen check mine.pe --json
  $ pegen check mine.pe --max-position 131071 --phase-error 0.01 --angles bf16

Exit code 1 when there is an error; \`pegen explain PE0203\` prints the page of a code.`,
    );
  addBidirectionalFlag(addGeometryFlags(addEncodingFlags(command))).action(run);
}

async function run(paths: readonly string[], flags: Flags): Promise<void> {
  const options = await compileOptionsOf(flags);
  const { frontEnd, hasErrors } = await import('../../front-end.ts');
  let errors = false;
  const json: unknown[] = [];
  for (const path of paths) {
    const source = await readSource(path);
    const result = frontEnd(source, options);
    errors ||= hasErrors(result.diagnostics);
    if (flags.json === true) {
      const { toJson } = await import('../../diagnostics/json.ts');
      json.push(...toJson(result.diagnostics, await textsOf(source)));
      continue;
    }
    await showDiagnostics(result.diagnostics, source);
    if (result.checked === null || result.lowered === null || hasErrors(result.diagnostics)) continue;
    const { modelLines, parameterLines, phaseLines, phasesPastLimit, lawLines } =
      await import('../../explain/summary.ts');
    const { lineOf } = await import('../../source.ts');
    const place = (span: Span): string => lineOf(source, span);
    const phases = phaseLines(result, place, flags.maxPosition);
    const past =
      flags.phaseError === undefined
        ? []
        : phasesPastLimit(
            result,
            { limit: flags.phaseError, storage: flags.angles ?? null, position: flags.maxPosition },
            place,
          );
    past.forEach((line) => console.error(`error: ${line}`));
    errors ||= past.length > 0;
    console.log(`${path}: ${result.checked.name} is well-formed`);
    [...modelLines(result), ...parameterLines(result), ...phases, ...lawLines(result)].forEach((line) =>
      console.log(`  ${line}`),
    );
  }
  if (flags.json === true) printJson(json);
  if (errors) throw failed();
}
