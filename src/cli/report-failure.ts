// What was thrown -> what the user reads on stderr, and the exit code. Known by name, so that nothing heavy is imported.

import { colors } from './colors.ts';
import { CommandFailure, exitCodes } from './failure.ts';

export function reportFailure(error: unknown): number {
  if (error instanceof CommandFailure) {
    if (error.message !== '') say(error.message, error.hint);
    return error.exitCode;
  }
  if (error instanceof Error && error.name === 'TrainerError') {
    const { kind, hint } = error as Error & { kind: string; hint: string | null };
    say(error.message, hint);
    return kind === 'configuration' || kind === 'data' ? exitCodes.usage : exitCodes.failed;
  }
  if (error instanceof Error && error.name === 'DeviceError') {
    const { kind, kernel, source } = error as Error & { kind: string; kernel: string | null; source: string | null };
    if (kind !== 'internal' && kind !== 'invalid-kernel') {
      const told = /--batch|resume/.test(error.message); // the device itself says what to do
      say(error.message, told ? null : (deviceHints[kind] ?? null));
      return exitCodes.failed;
    }
    return bug(error.message, kernel === null ? [] : [`kernel ${kernel} from ${source ?? 'pegen'}`]);
  }
  return bug(error instanceof Error ? (error.stack ?? error.message) : String(error), []);
}

const deviceHints: Readonly<Record<string, string>> = {
  lost: 'the driver reset or ran out of memory; with checkpoints, go on with --resume',
  'out-of-memory': 'lower --batch, --context or --width',
};

function say(message: string, hint: string | null): void {
  console.error(`${colors.red('error')}${colors.bold(`: ${message}`)}`);
  if (hint !== null && hint !== '') console.error(`  ${colors.bold('hint')}: ${hint}`);
}

function bug(what: string, notes: readonly string[]): number {
  console.error(`${colors.red('bug')}${colors.bold(': pegen failed in a way that it should not')}`);
  [...notes, what].forEach((line) => console.error(line));
  console.error('Please report it to the authors of pegen, with the command and the .pe file');
  return exitCodes.bug;
}
