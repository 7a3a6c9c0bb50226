// The claims of an encoding (`expect ...`): each is proved from the program where a simple proof applies, else tested
// with random float64 inputs. A claim that does not hold is an error with a counter-example.

import type { CheckedEncoding, CheckedLaw } from '../check/checked.ts';
import { lawCodes } from '../diagnostics/codes/laws.ts';
import type { Report } from '../diagnostics/diagnostic.ts';
import { lower, type Lowered } from '../lower/lower.ts';
import { proveBounded } from './bounded.ts';
import { proveCausal, sightings } from './causal.ts';
import { testBounded } from './growth.ts';
import { proveCommuting, proveOrthogonal } from './maps.ts';
import { testCausal, testCommuting, testOrthogonal, testRelative, testStartsAs } from './numeric.ts';
import { proveRelative } from './relative.ts';
import { proveStartsAs } from './starts-as.ts';
import type { Tested } from './trial.ts';

export type LawResult = { readonly law: CheckedLaw; readonly text: string } & (
  | { readonly kind: 'proved'; readonly reason: string }
  | { readonly kind: 'tested'; readonly cases: number }
  /** Nothing was found against it where it could be tried, which is not everywhere. */
  | { readonly kind: 'undecided'; readonly reason: string }
  | { readonly kind: 'false'; readonly counter: string }
);

/** One result for each claim, in order; false claims are reported. */
export function checkLaws(encoding: CheckedEncoding, lowered: Lowered, report: Report): readonly LawResult[] {
  return encoding.laws.map((law) => {
    const result = decide(law, encoding, lowered);
    if (result.kind === 'false') {
      const labels = law.name === 'causal' ? sightings(lowered) : [];
      const ofModel = law.name === 'causal' && encoding.geometry.bidirectional === true;
      const hint = ofModel
        ? 'in a bidirectional model every token sees later ones: claim it of a causal one'
        : hints[law.name];
      report(lawCodes.lawFails(law.span, result.text, result.counter, hint, labels));
    }
    return result;
  });
}

const textOf = (law: CheckedLaw): string => (law.encoding === null ? law.name : `${law.name}(${law.encoding.name})`);

const hints: Readonly<Partial<Record<CheckedLaw['name'], string>>> = {
  relative: 'scores may read `i - j` and `position[i] - position[j]`, and query and key turn alike',
  orthogonal: 'a rotation keeps norms, and so does `expm` of `A[r, c] - A[c, r]`; a factor other than 1 does not',
  causal: 'a sum over tokens wants `where s <= t`, and `x[t - 1, m]` is the token before',
  commuting: 'maps commute where all are powers of one: `expm[r, c](position[t] * A[r, c])`, one A for every token',
  bounded: 'what falls with the distance, or ends at one, stays bounded: `exp(j - i)`, `min(i - j, far)`',
  starts_as: 'initial values decide: what multiplies starts at 1, what is added, or stands in `exp`, at 0',
};

interface Decision {
  readonly prove: (lowered: Lowered, encoding: CheckedEncoding, law: CheckedLaw) => string | null;
  readonly test: (lowered: Lowered, law: CheckedLaw) => Tested;
}

const decisions: Readonly<Record<CheckedLaw['name'], Decision>> = {
  relative: {
    prove: ({ attend }, { geometry }) => proveRelative(attend, geometry),
    test: (lowered) => testRelative(lowered),
  },
  orthogonal: { prove: ({ attend }) => proveOrthogonal(attend), test: (lowered) => testOrthogonal(lowered) },
  causal: { prove: proveCausal, test: (lowered) => testCausal(lowered) },
  commuting: { prove: ({ attend }) => proveCommuting(attend), test: (lowered) => testCommuting(lowered) },
  bounded: { prove: proveBounded, test: (lowered) => testBounded(lowered) },
  starts_as: {
    prove: (lowered, _, law) => {
      const other = law.encoding === null ? null : lower(law.encoding, () => {});
      return other === null ? null : proveStartsAs(lowered, other);
    },
    test: (lowered, law) => {
      const other = law.encoding === null ? null : lower(law.encoding, () => {});
      if (other === null) return { holds: false, counter: `\`${law.encoding?.name ?? ''}\` does not compile` };
      return testStartsAs(lowered, other);
    },
  },
};

function decide(law: CheckedLaw, encoding: CheckedEncoding, lowered: Lowered): LawResult {
  const text = textOf(law);
  const { prove, test } = decisions[law.name];
  const reason = prove(lowered, encoding, law);
  if (reason !== null) return { law, text, kind: 'proved', reason };
  const tested = test(lowered, law);
  if (!tested.holds) return { law, text, kind: 'false', counter: tested.counter };
  return tested.undecided === null
    ? { law, text, kind: 'tested', cases: tested.cases }
    : { law, text, kind: 'undecided', reason: tested.undecided };
}

/** Whether an encoding may train a causal model; the counter-example where it looks ahead. */
export function looksAhead(lowered: Lowered): string | null {
  if (proveCausal(lowered) !== null) return null;
  const tested = testCausal(lowered);
  return tested.holds ? null : tested.counter;
}
