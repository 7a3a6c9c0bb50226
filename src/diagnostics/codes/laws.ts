// PE071x: claims that do not hold. PE072x: what is allowed and hardly meant.

import { error, warning } from '../code.ts';
import type { Label } from '../diagnostic.ts';

export const lawCodes = {
  lawFails: error(
    'PE0710',
    'a claim that does not hold',
    (law: string, counter: string, hint: string | undefined, labels: readonly Label[] = []) => ({
      message: `\`${law}\` does not hold: ${counter}`,
      label: 'claimed here',
      labels,
      hint,
    }),
  ),
  unseenScore: warning('PE0720', 'a score term that softmax cannot see', () => ({
    message: 'this is the same for every key, and softmax forgets what all keys of a query share: it changes nothing',
    label: 'does not depend on the key',
    hint: 'read the key index too, as `i - j` or `position[i] - position[j]`',
  })),
  largeAngle: warning('PE0721', 'an angle too large for float32', (angle: string, position: number, wrong: string) => ({
    message: `this angle reaches ${angle} rad at position ${position}, where float32 is off by up to ${wrong} rad`,
    label: 'grows with the position',
    hint: 'scale the position down, or use smaller frequencies: an angle of 1e4 rad is off by 1e-3',
  })),
  unusedLearned: warning('PE0722', 'a learned tensor that nothing reads', (name: string) => ({
    message: `nothing reads \`${name}\`: it gets no gradient and no memory`,
    label: 'never read',
    hint: 'read it, or remove the line',
  })),
  hidesNothing: warning('PE0730', 'a `visible` that hides nothing', (hint: string) => ({
    message: 'this holds for every key that a query may see: it hides nothing',
    label: 'always true',
    hint,
  })),
  hidesEverything: warning('PE0731', 'a `visible` that hides everything', (hint: string) => ({
    message: 'this holds for no key that a query may see: it hides them all',
    label: 'always false',
    hint,
  })),
  valueRotated: warning('PE0732', 'a value that is rotated while the output is not', () => ({
    message: 'values turn with their positions and nothing turns the output back: it depends on where the keys stand',
    label: 'turns `value`',
    hint: 'rotate `query, key` alone, or turn back what a head gives: `rotate output [i, h, p] by -angle[i, p]`',
  })),
  hiddenByNumber: warning('PE0733', 'a key hidden by a large number', () => ({
    message:
      'a large number hides a key only while other scores are small, and a row of such keys alone is not hidden at all',
    label: 'meant to hide?',
    hint: 'say what a query sees, `visible[h, i, j] = condition`, or write `-infinity`',
  })),
  noValueThere: warning(
    'PE0734',
    'an expression that has no value somewhere',
    (what: string, none: boolean, place: string, hint: string) => ({
      message: `this ${what} ${none ? 'has no value' : 'is infinite'}${place === '' ? '' : ` at ${place}`}`,
      label: none ? 'not a number' : 'infinite',
      hint,
    }),
  ),
} as const;
