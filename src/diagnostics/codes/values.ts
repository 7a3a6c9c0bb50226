// PE04xx: types, compile-time values and ranges.

import { error, warning } from '../code.ts';
import type { Label } from '../diagnostic.ts';

export const valueCodes = {
  conditionAsNumber: error('PE0401', 'a condition used as a number', (hint?: string) => ({
    message: `a condition is not a number`,
    label: 'true or false',
    hint: hint ?? 'write `if ... then ... else ...`',
  })),
  numberAsCondition: error('PE0402', 'a number used as a condition', (where: string, hint?: string) => ({
    message: `${where} wants a condition, this is a number`,
    label: 'a number',
    hint: hint ?? 'compare it: `... > 0`, `... != 0`',
  })),
  indexNotWhole: error('PE0403', 'an index that is not a whole number', (tensor: string, hint: string) => ({
    message: `an index of \`${tensor}\` is a whole number, this is real`,
    label: 'not whole',
    hint,
  })),
  branchesDiffer: error(
    'PE0404',
    'branches of different types',
    (then: string, otherwise: string, labels: readonly Label[]) => ({
      message: `one branch is ${then}, the other ${otherwise}`,
      labels,
    }),
  ),
  needsWhole: error('PE0405', 'a function of whole numbers with a real', (name: string) => ({
    message: `\`${name}\` works on whole numbers, this is real`,
    hint: 'write `floor(...)` or `round(...)`',
  })),
  notCompileTime: error(
    'PE0406',
    'a value that must be known when compiling',
    (what: string, because: string, hint: string, labels: readonly Label[]) => ({
      message: `${what} must be known when compiling, and ${because}`,
      labels,
      hint,
    }),
  ),
  randomOutside: error('PE0407', 'a random number outside an initial value', (name: string) => ({
    message: `\`${name}\` stands only after \`~\``,
    hint: `a fresh random number each step is \`draw u[t: token] ~ ${name}(...)\``,
  })),
  initialReads: error(
    'PE0408',
    'an initial value that reads what does not exist yet',
    (name: string, what: string, hint: string, labels: readonly Label[]) => ({
      message: `an initial value reads its own indices, numbers and \`fixed\` tensors; \`${name}\` is ${what}`,
      labels,
      hint,
    }),
  ),
  noValue: error('PE0409', 'a compile-time value that does not exist', (text: string, value: number) => ({
    message: Number.isNaN(value) ? `\`${text}\` has no value` : `\`${text}\` is infinite`,
    hint: 'guard it: `if ... then ... else ...` takes one branch and never looks at the other',
  })),
  mayBeOutside: warning(
    'PE0410',
    'an index that may fall outside its axis',
    (tensor: string, axis: string, runs: string, size: number, always: boolean, hint: string) => ({
      message: always
        ? `this is outside \`${axis}\` (0 to ${size - 1}): \`${tensor}\` is always 0 here`
        : `this may be outside \`${axis}\` (0 to ${size - 1}), where \`${tensor}\` is 0`,
      label: runs,
      hint,
    }),
  ),
  indexNotUsed: warning(
    'PE0411',
    'a reduction whose body does not use its index',
    (name: string, reduction: string, size: string) => ({
      message:
        reduction === 'sum'
          ? `\`${name}\` is not used in this sum: it only multiplies by ${size}`
          : `\`${name}\` is not used inside this \`${reduction}\``,
    }),
  ),
  paramIsCondition: error('PE0412', 'a param that is a condition', (name: string) => ({
    message: `param \`${name}\` is a condition: a param is a number`,
    hint: `write 1 or 0 and ask \`${name} > 0\``,
  })),
  compareConditions: error('PE0413', 'conditions that are compared', (relation: string) => ({
    message: `\`${relation}\` compares numbers, this is a condition`,
    hint: 'join conditions with `and`, `or`, `not`',
  })),
  hiddenScore: error(
    'PE0414',
    'a hidden score where only a number will do',
    (text: string, hidden: boolean, labels: readonly Label[]) => ({
      message: hidden
        ? `\`${text}\` is -infinity where the query does not see the key, and no number comes of it`
        : `no number comes of this \`${text}\``,
      label: hidden ? 'may be hidden' : 'infinite',
      labels,
      hint: hidden
        ? `look at what is seen: \`if ${text.replace('score', 'visible')} then ${text} else 0\`, or such a \`where\` in a sum`
        : 'keys are hidden by `visible[h, i, j] = condition`; elsewhere write a number',
    }),
  ),
} as const;
