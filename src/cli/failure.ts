// How a command ends other than well: what to print and the exit code. Anything else thrown is a bug in pegen.

export const exitCodes = {
  /** Diagnostics, a failed verification, a run that cannot go on. */
  failed: 1,
  /** A wrong flag, argument or file name. */
  usage: 2,
  /** A bug in pegen. */
  bug: 70,
  /** Stopped by Ctrl-C. */
  interrupted: 130,
} as const;

export class CommandFailure extends Error {
  readonly exitCode: number;
  readonly hint: string | null;

  constructor(message: string, hint: string | null, exitCode: number) {
    super(message);
    this.name = 'CommandFailure';
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

/** A wrong way to call pegen. */
export const usage = (message: string, hint: string | null = null): CommandFailure =>
  new CommandFailure(message, hint, exitCodes.usage);

/** Something that was asked for rightly did not succeed. An empty message: all has been said. */
export const failed = (message = '', hint: string | null = null): CommandFailure =>
  new CommandFailure(message, hint, exitCodes.failed);
