#!/usr/bin/env node
// The program `pegen`: words of a command line in, a command run, an exit code out. Commands load what they need when
// they run, so that help is there at once.

import { Command, CommanderError } from 'commander';
import { exitCodes } from './failure.ts';
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

/** Name, one line of help, and its file: read only when the command is asked for. */
const commands: readonly (readonly [string, string, () => Promise<(command: Command) => void>])[] = [
  [
    'build',
    'write kernels (WGSL) and the TypeScript module that calls them',
    async () => (await import('./commands/build.ts')).addBuild,
  ],
  [
    'check',
    'find mistakes, decide the laws that are claimed, and list what is learned',
    async () => (await import('./commands/check.ts')).addCheck,
  ],
  [
    'explain',
    'stages, kernels and their floors, what is learned, laws; or the page of a code',
    async () => (await import('./commands/explain.ts')).addExplain,
  ],
  [
    'verify',
    'compare attention with an encoding, and its gradients, with given numbers',
    async () => (await import('./commands/verify.ts')).addVerify,
  ],
  ['train', 'train a GPT-2 with an encoding', async () => (await import('./commands/train.ts')).addTrain],
  [
    'compare',
    'train the same GPT-2 with each of several encodings, on the same batches',
    async () => (await import('./commands/compare.ts')).addCompare,
  ],
  ['sample', 'write text with a trained model', async () => (await import('./commands/sample.ts')).addSample],
  ['fmt', 'write files in the one canonical form', async () => (await import('./commands/fmt.ts')).addFmt],
  [
    'devices',
    'list what can run kernels here, and which one is taken',
    async () => (await import('./commands/devices.ts')).addDevices,
  ],
  ['init', 'write a small encoding to begin with', async () => (await import('./commands/init.ts')).addInit],
  [
    'demo',
    'train a small GPT-2 with rope, carope, alibi and learned positions, and compare (three minutes)',
    async () => (await import('./commands/demo.ts')).addDemo,
  ],
  [
    'bench',
    'measure every kernel, and compare its traffic with what the adapter can copy',
    async () => (await import('./commands/bench.ts')).addBench,
  ],
];

/** The program with what the command that `words` begins with takes. */
async function createProgram(words: readonly string[]): Promise<Command> {
  const program = new Command('pegen')
    .description(
      'A compiler for positional encodings: a few lines of a paper become kernels, and a GPT-2 trained with them.',
    )
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .addHelpText('after', examples)
    .showHelpAfterError('(pegen --help lists commands and flags)')
    .exitOverride();
  const wanted = words[0] === 'help' ? words[1] : words[0];
  for (const [name, description, load] of commands) {
    const command = program.command(name).description(description).exitOverride();
    if (name === wanted) (await load())(command);
  }
  return program;
}

async function main(words: readonly string[]): Promise<number> {
  try {
    await (await createProgram(words)).parseAsync(words, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    const { reportFailure } = await import('./report-failure.ts');
    return reportFailure(error);
  }
}

// A reader that goes away (`pegen explain x.pe | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
