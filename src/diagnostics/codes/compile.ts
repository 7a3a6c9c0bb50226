// PE05xx: what the language can say and this compiler does not compile, and notes about what it compiles to.

import { error, note } from '../code.ts';

export const compileCodes = {
  transportForm: error('PE0501', 'a `transport` that is not one direction', (why: string) => ({
    message: `this \`transport\` is not compiled: ${why}`,
    hint: 'write `delta(r, c) - strength[t, h] * w[t, h, r] * w[t, h, c]`: the identity, less a multiple of one direction',
  })),
  transportBothWays: error('PE0502', '`transport` in a bidirectional model', () => ({
    message: 'a bidirectional model shows keys behind the query, and `transport` carries keys forward only',
    hint: 'compile it without `bidirectional`, or use `transform`, by a matrix of each token',
  })),
  olderEmbedding: error('PE0509', 'an `embedding` that a later line changes, read inside attention', () => ({
    message: 'a line below changes `embedding`, and attention is given what it is in the end',
    hint: 'read it below the last line that changes it',
  })),
  sumInInitial: error('PE0510', 'a sum or softmax in an initial value', () => ({
    message: 'an initial value is one expression of its own indices: sums and maps are not compiled there',
    hint: 'write the sum out, or its value',
  })),
  notAScan: note('PE0520', 'a sum over tokens that is not a scan', (op: string, reason: string) => ({
    message: `this ${op} is computed anew at each point, which costs as many steps as there are tokens: ${reason}`,
    label: 'not a scan',
  })),
} as const;
