// PE03xx: axes, indices and ranks.

import { error } from '../code.ts';
import type { Label } from '../diagnostic.ts';

export const axisCodes = {
  wrongAxis: error(
    'PE0301',
    'an index at an axis it does not run over',
    (
      index: string,
      runs: string,
      tensor: string,
      wants: string,
      hint: string | undefined,
      labels: readonly Label[],
    ) => ({
      message: `index \`${index}\` runs over \`${runs}\`; \`${tensor}\` wants \`${wants}\` here`,
      label: `runs over \`${runs}\``,
      labels,
      hint,
    }),
  ),
  wrongRank: error(
    'PE0302',
    'too many or too few indices',
    (tensor: string, axes: readonly string[], given: number, hint: string | undefined, labels: readonly Label[]) => ({
      message: `\`${tensor}\` is over [${axes.join(', ')}]: ${axes.length} ${axes.length === 1 ? 'index' : 'indices'}, not ${given}`,
      labels,
      hint,
    }),
  ),
  missingIndices: error(
    'PE0303',
    'a tensor without its indices',
    (tensor: string, axes: readonly string[], suggestion: string, labels: readonly Label[]) => ({
      message: `\`${tensor}\` is over [${axes.join(', ')}]: write its indices, \`${suggestion}\``,
      label: 'a tensor is read at its indices',
      labels,
    }),
  ),
  indicesOnNumber: error('PE0304', 'indices on a number', (name: string, what: string, labels: readonly Label[]) => ({
    message: `\`${name}\` is ${what} and has no indices`,
    label: 'no brackets here',
    labels,
  })),
  reductionBinds: error(
    'PE0305',
    'a reduction that does not bind its index',
    (name: string, suggestion: string, hint?: string) => ({
      message: `a reduction binds its index: \`${suggestion}\``,
      label: `\`${name}\` wants a new index and its axis`,
      hint,
    }),
  ),
  reductionIndexName: error('PE0306', 'a reduction over something that is not a name', (name: string) => ({
    message: `left of the colon stands a new index, a name: \`${name}[s: token](...)\``,
    hint: 'a shift or a bound goes into the body or after `where`',
  })),
  mapAlong: error('PE0307', 'a map along something that is not an index in scope', (name: string, hint: string) => ({
    message: `\`${name}\` works along an index that is already in scope`,
    hint,
  })),
  mapIndexCount: error('PE0308', 'a map along too many or too few indices', (name: string, wanted: number) => ({
    message: `\`${name}\` works along ${wanted === 1 ? 'one index' : 'a row and a column'}: \`${name}[${wanted === 1 ? 'j' : 'r, c'}](...)\``,
  })),
  missingBody: error('PE0309', 'a reduction without a body', (name: string, suggestion: string) => ({
    message: `what \`${name}\` works on stands in parentheses: \`${suggestion}\``,
  })),
  castMismatch: error(
    'PE0310',
    'a cast to the wrong axis',
    (cast: string, tensor: string, wants: string, labels: readonly Label[]) => ({
      message: `\`${tensor}\` wants \`${wants}\` here, not \`${cast}\``,
      labels,
      hint: `\`e: ${wants}\` reads a whole number as a place on \`${wants}\``,
    }),
  ),
  sharedKey: error(
    'PE0311',
    'a query head where a shared key head is wanted',
    (group: number, index: string, kind: 'head' | 'kv_head', tensor: string, labels: readonly Label[]) => ({
      message:
        kind === 'kv_head'
          ? `${group} query heads share this key: declare \`${tensor}\` over \`kv_head\``
          : `${group} query heads share one \`kv_head\`: \`${index}\` does not say which of them \`${tensor}\` is read at`,
      label: `runs over \`kv_head\`; \`${tensor}\` is over \`head\``,
      labels,
    }),
  ),
  learnOverToken: error('PE0312', 'a stored tensor over tokens', (kind: string, name: string, suggestion: string) => ({
    message: `\`token\` has no fixed size, so \`${name}\` cannot be stored over it`,
    label: `\`${kind}\` needs a fixed size`,
    hint: `declare \`axis place = context\` and read \`${suggestion}\``,
  })),
  headWithoutAxis: error(
    'PE0313',
    'a declaration that does not say its axes',
    (tensor: string, index: string, hint?: string) => ({
      message: `\`${tensor}\` must say the axis of \`${index}\`: \`${index}: <axis>\``,
      hint,
    }),
  ),
  siteAxis: error(
    'PE0314',
    'a site that names another axis than its tensor has',
    (target: string, index: string, written: string, has: string) => ({
      message: `\`${target}\` is over \`${has}\` here, not \`${written}\``,
      hint: `leave the axis out: \`${index}\``,
    }),
  ),
  axisSize: error(
    'PE0315',
    'an axis whose size is not a whole number',
    (name: string, size: string, hint: string | undefined) => ({
      message: `axis \`${name}\` would have size ${size}`,
      label: 'a size is a whole number, at least 1',
      hint,
    }),
  ),
  replacedAxes: error(
    'PE0316',
    'a replaced declaration with other axes',
    (name: string, was: readonly string[], is: readonly string[], earlier: Label) => ({
      message: `\`${name}\` is over [${was.join(', ')}] in the parent and over [${is.join(', ')}] here: the axes must stay`,
      labels: [earlier],
      hint: 'lines of the parent read it with its old axes; write a new encoding, or give it another name',
    }),
  ),
  whereInSubscript: error('PE0317', '`where` in a subscript', (tensor: string) => ({
    message: `\`where\` belongs to a reduction, \`${tensor}[...]\` only reads`,
    hint: 'write `if condition then ... else 0`',
  })),
  notSquare: error('PE0318', 'a matrix that is not square', (what: string, row: string, column: string) => ({
    message: `${what} wants a square matrix, this one is ${row} by ${column}`,
  })),
  boundTwice: error('PE0319', 'an index that is bound twice', (name: string) => ({
    message: `\`${name}\` stands twice between these brackets`,
    hint: 'give each axis its own letter',
  })),
  siteAxisUnknown: error(
    'PE0320',
    'a site that must say an axis',
    (index: string, kind: string, suggestion: string) => ({
      message: `\`${kind}\` must know the axis of \`${index}\`: \`${suggestion}\``,
    }),
  ),
} as const;
