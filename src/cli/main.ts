#!/usr/bin/env node
// The program `pegen`: words of a command line in, a command run, an exit code out. Commands load what they need when
// they run, so that help is there at once.

import { Command, CommanderError } from 'commander';
import { addBench } from './commands/bench.ts';
import { addBuild } from './commands/build.ts';
import { addCheck } from './commands/check.ts';
import { addCompare } from './commands/compare.ts';
import { addDemo } from './commands/demo.ts';
import { addDevices } from './commands/devices.ts';
import { addExplain } from './commands/explain.ts';
import { addFmt } from './commands/fmt.ts';
import { addInit } from './commands/init.ts';
import { addSample } from './commands/sample.ts';
import { addTrain } from './commands/train.ts';
import { addVerify } from './commands/verify.ts';
import { exitCodes } from './failure.ts';
import { reportFailure } from './report-failure.ts';
import { version } from './version.ts';

const examples = `
Examples:
  $ pegen init mine.pe                       a starting point, with what to do next
  $ pegen check mine.pe                      mistakes, laws, parameters
  $ pegen build mine.pe --out out/           kernels as WGSL, with TypeScript to call them
  $ pegen explain mine.pe --chip h100        stages, kernels, and how fast each could be
  $ pegen train mine.pe --out runs/mine      a small GPT-2 on real text
  $ pegen compare mine.pe rope.pe            the same model and batches for each
  $ pegen verify mine.pe --vectors case.json against numbers of your own

Every command has its own help: pegen train --help`;

export function createProgram(): Command {
  const program = new Command('pegen')
    .description(
      'A compiler for positional encodings: a few lines of a paper become kernels, and a GPT-2 trained with them.',
    )
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .addHelpText('after', examples)
    .showHelpAfterError('(pegen --help lists commands and flags)')
    .exitOverride();
  for (const add of [
    addBuild,
    addCheck,
    addExplain,
    addVerify,
    addTrain,
    addCompare,
    addSample,
    addFmt,
    addDevices,
    addInit,
    addDemo,
    addBench,
  ])
    add(program);
  program.commands.forEach((command) => command.exitOverride());
  return program;
}

async function main(words: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(words, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    return reportFailure(error);
  }
}

// A reader that goes away (`pegen explain x.pe | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
