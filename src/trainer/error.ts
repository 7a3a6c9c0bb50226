// What a user can mend: a message that says what is wrong and what to do. Anything else thrown is a bug or a device's.

export type TrainerErrorKind = 'configuration' | 'data' | 'memory' | 'diverged' | 'checkpoint' | 'encoding';

export class TrainerError extends Error {
  readonly kind: TrainerErrorKind;
  readonly hint: string | null;

  constructor(kind: TrainerErrorKind, message: string, hint: string | null = null) {
    super(message);
    this.name = 'TrainerError';
    this.kind = kind;
    this.hint = hint;
  }
}
