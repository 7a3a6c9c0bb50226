// PE08xx: files, imports, inheritance. PE070x: names of laws.

import { error } from '../code.ts';
import type { Label } from '../diagnostic.ts';
import { didYouMean } from '../suggest.ts';

const LAWS = ['relative', 'orthogonal', 'causal', 'commuting', 'bounded', 'starts_as'];

/** What others call a law. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  relative: [
    'translation_invariant',
    'shift_invariant',
    'translation_equivariant',
    'shift_equivariant',
    'relative_position',
  ],
  orthogonal: ['norm_preserving', 'unitary', 'isometric', 'isometry', 'rotation'],
  causal: ['autoregressive', 'masked'],
  commuting: ['commutative', 'abelian'],
  bounded: ['finite', 'decaying', 'decay'],
  starts_as: ['initially', 'starts_like', 'reduces_to', 'equals'],
};

function synonymOf(name: string): string | undefined {
  const law = LAWS.find((one) => SYNONYMS[one]!.includes(name.toLowerCase()));
  return law === undefined ? undefined : `it is called \`${law}\` here`;
}

export const fileCodes = {
  unknownLaw: error('PE0701', 'a law that does not exist', (name: string) => ({
    message: `there is no law \`${name}\``,
    hint: synonymOf(name) ?? didYouMean(name, LAWS) ?? `laws are ${LAWS.map((law) => `\`${law}\``).join(', ')}`,
  })),
  lawArgument: error('PE0702', 'a law with or without its encoding', (name: string, wants: boolean) => ({
    message: wants
      ? `\`${name}\` says which encoding it starts as: \`${name}(rope)\``
      : `\`${name}\` takes no argument`,
  })),
  lawEncoding: error(
    'PE0703',
    'an encoding that a law cannot compare with',
    (name: string, hint: string | undefined) => ({
      message: `\`starts_as(${name})\` cannot be asked: \`${name}\` is not an encoding that compiles here`,
      hint,
    }),
  ),
  importNotFound: error(
    'PE0801',
    'an import that is not there',
    (path: string, candidates: readonly string[], standard: boolean) => ({
      message: standard
        ? `the standard library has no ${JSON.stringify(path)}`
        : `there is no file ${JSON.stringify(path)} beside this one`,
      hint:
        didYouMean(path, candidates) ??
        (standard
          ? `it has ${candidates.join(', ')}`
          : 'a path begins at the folder of the file that imports: `../rope.pe` is one above'),
    }),
  ),
  unknownEncoding: error(
    'PE0802',
    'an encoding that is not there',
    (name: string, candidates: readonly string[], hint?: string) => ({
      message: `there is no encoding \`${name}\` in this file or its imports`,
      hint: hint ?? didYouMean(name, candidates) ?? `import its file at the top: \`import "${name}.pe"\``,
    }),
  ),
  circularParents: error('PE0803', 'encodings that extend each other', (names: readonly string[]) => ({
    message: `these extend each other: ${[...names, names[0]!].map((name) => `\`${name}\``).join(' -> ')}`,
  })),
  parentsClash: error(
    'PE0804',
    'two parents that declare one name',
    (names: readonly string[], parents: readonly [string, string], labels: readonly Label[]) => ({
      message: `\`${parents[0]}\` and \`${parents[1]}\` both declare ${names.map((name) => `\`${name}\``).join(', ')}: declare ${names.length === 1 ? 'it' : 'them'} here to settle which holds`,
      labels,
    }),
  ),
  encodingTwice: error('PE0805', 'two encodings of one name', (name: string, earlier: Label) => ({
    message: `encoding \`${name}\` is there twice`,
    labels: [earlier],
  })),
  noEncoding: error('PE0806', 'a file without an encoding', () => ({
    message: 'this file has no encoding',
    hint: 'write `encoding name { ... }`',
  })),
  replacedKind: error(
    'PE0807',
    'a declaration replaced by one of another kind',
    (name: string, was: string, is: string, earlier: Label) => ({
      message: `\`${name}\` is ${was} in the parent and ${is} here`,
      labels: [earlier],
      hint: 'only a `fn` replaces a `fn`; numbers and tensors replace each other',
    }),
  ),
  parentTwice: error('PE0808', 'a parent named twice', (name: string) => ({
    message: `\`${name}\` is named twice as a parent`,
  })),
  tooManyParents: error('PE0809', 'parents of parents without end', (most: number) => ({
    message: `more than ${most} encodings extend each other here`,
    hint: 'copy the statements that are meant into one encoding',
  })),
} as const;
