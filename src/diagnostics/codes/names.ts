// PE02xx: names, declarations and calls.

import { error } from '../code.ts';
import type { Label } from '../diagnostic.ts';
import { didYouMean } from '../suggest.ts';

const times = (count: number, thing: string): string => `${count} ${thing}${count === 1 ? '' : 's'}`;

export const nameCodes = {
  unknownName: error(
    'PE0201',
    'a name that nothing declares',
    (name: string, candidates: Iterable<string>, hint?: string, fits?: (candidate: string) => boolean) => ({
      message: `nothing here is called \`${name}\``,
      label: 'unknown name',
      hint: hint ?? didYouMean(name, candidates, fits),
    }),
  ),
  unknownAxis: error(
    'PE0202',
    'an axis that nothing declares',
    (name: string, candidates: Iterable<string>, hint?: string) => ({
      message: `there is no axis \`${name}\``,
      label: 'unknown axis',
      hint: hint ?? didYouMean(name, candidates) ?? `declare it: \`axis ${name} = <its size>\``,
    }),
  ),
  axisAsNumber: error(
    'PE0203',
    'an axis used as a number',
    (name: string, instead: string | null, labels: readonly Label[]) => ({
      message: `\`${name}\` is an axis, not a number${instead === null ? '' : `: use \`${instead}\``}`,
      label: 'an axis stands only after a colon',
      labels,
    }),
  ),
  foreignName: error('PE0204', 'a word of another language', (message: string, hint?: string) => ({
    message,
    label: 'not a word of this language',
    hint,
  })),
  declaredTwice: error('PE0205', 'a name declared twice', (name: string, kind: string, earlier: Label) => ({
    message: `${kind} \`${name}\` is declared twice`,
    label: 'declared again here',
    labels: [earlier],
    hint: 'a name means one thing: rename one of them, or remove it',
  })),
  builtinRedeclared: error('PE0206', 'a built-in name declared again', (name: string, what: string, hint?: string) => ({
    message: `\`${name}\` is built in (${what}) and cannot be declared again`,
    label: 'taken',
    hint: hint ?? 'choose another name',
  })),
  indexNameTaken: error(
    'PE0207',
    'an index with the name of something else',
    (name: string, what: string, free: string, labels: readonly Label[], role: 'index' | 'parameter' = 'index') => ({
      message: `${role} \`${name}\` is already the name of ${what}`,
      label: 'nothing is shadowed',
      labels,
      hint: `take another letter, \`${free}\` is free`,
    }),
  ),
  circular: error(
    'PE0208',
    'declarations that need each other',
    (names: readonly string[], labels: readonly Label[]) => ({
      message:
        names.length === 1
          ? `\`${names[0]}\` is declared by itself`
          : `these need each other: ${[...names, names[0]!].map((name) => `\`${name}\``).join(' -> ')}`,
      label: 'the circle closes here',
      labels,
      hint: 'declarations may stand in any order, but not in a circle; a running value is a sum over earlier tokens: `sum[s: token where s < t](...)`',
    }),
  ),
  wrongArgumentCount: error(
    'PE0209',
    'too many or too few arguments',
    (name: string, wanted: string, given: number, labels: readonly Label[]) => ({
      message: `\`${name}\` takes ${wanted}, here it has ${times(given, 'argument')}`,
      labels,
    }),
  ),
  notAFunction: error(
    'PE0210',
    'a value called like a function',
    (name: string, what: string, hint: string | undefined, labels: readonly Label[]) => ({
      message: `\`${name}\` is ${what}, not a function`,
      label: 'called here',
      labels,
      hint,
    }),
  ),
  functionAsValue: error('PE0211', 'a function without its arguments', (name: string, call: string) => ({
    message: `\`${name}\` is a function: give it its arguments, \`${call}\``,
  })),
  badArgument: error('PE0212', 'an argument that a `fn` cannot take', (message: string, labels: readonly Label[]) => ({
    message,
    labels,
    hint: 'arguments are numbers, indices or the names of tensors',
  })),
  inliningTooLarge: error('PE0213', 'a `fn` that grows without end', (name: string) => ({
    message: `\`${name}\` grows too large when its calls are written out`,
    hint: 'bind a repeated call to a `let` with indices, so that it is computed once',
  })),
  unknownParam: error(
    'PE0214',
    'a value for a param that does not exist',
    (name: string, encoding: string, candidates: readonly string[]) => ({
      message: `\`${encoding}\` has no param \`${name}\``,
      hint:
        didYouMean(name, candidates) ??
        (candidates.length === 0
          ? 'it has no params'
          : `its params are ${candidates.map((c) => `\`${c}\``).join(', ')}`),
    }),
  ),
  badParam: error('PE0215', 'a param that is not a finite number', (name: string, value: string) => ({
    message: `param \`${name}\` would be ${value}: a param is a finite number`,
  })),
  fnWithBrackets: error('PE0216', 'brackets on a function', (name: string, hint: string) => ({
    message: `\`${name}\` is a function and has no indices`,
    hint,
  })),
  tooDeep: error('PE0217', 'declarations and calls that nest too deeply', (most: number) => ({
    message: `more than ${most} expressions stand inside each other here`,
    hint: 'put a declaration above those that read it, and give parts of long formulas a name with `let`',
  })),
  keptName: error(
    'PE0218',
    'a name that a compiled encoding uses itself',
    (name: string, what: string, free: string, labels: readonly Label[]) => ({
      message: `a tensor cannot be called \`${name}\`: in a compiled encoding that is ${what}`,
      label: 'kept for that',
      labels,
      hint: `rename it, to \`${free}\` for example`,
    }),
  ),
} as const;
