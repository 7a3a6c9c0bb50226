// PE071x: claims that do not hold. PE072x: what is allowed and hardly meant.

import { error, warning } from '../code.ts';

export const lawCodes = {
  lawFails: error('PE0710', 'a claim that does not hold', (law: string, counter: string, hint: string | undefined) => ({
    message: `\`${law}\` does not hold: ${counter}`,
    label: 'claimed here',
    hint,
  })),
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
} as const;
