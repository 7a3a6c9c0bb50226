// PE06xx: sites, the chain of attention and the versions of its tensors.

import { error } from '../code.ts';
import type { Label } from '../diagnostic.ts';

export const siteCodes = {
  siteTarget: error(
    'PE0601',
    "a site on something that is not attention's",
    (name: string, what: string, hint: string | undefined, labels: readonly Label[]) => ({
      message: `\`${name}\` is ${what}: a site changes \`embedding\`, \`x\`, \`query\`, \`key\`, \`value\`, \`visible\`, \`score\`, \`attention\`, \`output\` or \`loss\``,
      label: 'cannot be changed',
      labels,
      hint,
    }),
  ),
  positionReadOnly: error('PE0602', 'a site on `position`', () => ({
    message: '`position` is read only',
    hint: 'declare a number of your own, `let place[t: token] = ...`, and read it in place of `position[t]`; or let the caller give it: `given position[t: token, k: coordinate]`',
  })),
  siteOperator: error(
    'PE0603',
    'an assignment that a tensor does not take',
    (target: string, operator: string, allowed: string, why: string) => ({
      message: `\`${target}\` takes \`${allowed}\`, not \`${operator}\`: ${why}`,
    }),
  ),
  siteKind: error(
    'PE0604',
    'a site of the wrong kind for its tensor',
    (kind: string, target: string, accepts: string) => ({
      message: `\`${kind}\` works on ${accepts}, not on \`${target}\``,
    }),
  ),
  siteIndices: error(
    'PE0605',
    'a site with the wrong number of indices',
    (target: string, given: number, forms: string, hint?: string) => ({
      message:
        given === 0
          ? `\`${target}\` needs its indices: ${forms}`
          : `\`${target}\` has ${given} ${given === 1 ? 'index' : 'indices'} here: write ${forms}`,
      hint,
    }),
  ),
  chainOrder: error(
    'PE0606',
    'a site below a line that used its result',
    (made: string, target: string, line: number, labels: readonly Label[]) => ({
      message: `${made} made from \`${target}\`: move this line above line ${line}`,
      label: `changes \`${target}\``,
      labels,
    }),
  ),
  readsLater: error(
    'PE0607',
    'a site that reads what is made from its own tensor',
    (target: string, read: string, labels: readonly Label[]) => ({
      message: `\`${target}\` cannot be made from \`${read}\`, which is made from it`,
      labels,
      hint: 'the chain is embedding, x, query/key/value, score/visible, attention, output, loss',
    }),
  ),
  readsOwnResult: error(
    'PE0608',
    'a site that reads its own result',
    (read: string, name: string, labels: readonly Label[]) => ({
      message: `this line needs \`${name}\`, which reads the \`${read}\` that this line makes`,
      labels,
      hint: `a name means the version above its line: move \`${name}\` above this line`,
    }),
  ),
  layerInEmbedding: error('PE0609', '`layer` in what acts on the embedding', (labels: readonly Label[]) => ({
    message: 'the embedding exists once, before layer 0: `layer` has no value here',
    labels,
    hint: 'act on `x`, which each layer has',
  })),
  rotateTooWide: error('PE0610', 'a rotation past the last feature', (from: number, pairs: number, dim: number) => ({
    message: `${pairs} pairs from feature ${from} need ${from + 2 * pairs} features; a head has ${dim}`,
    hint: `at most ${Math.max(0, Math.floor((dim - from) / 2))} pairs fit after feature ${from}`,
  })),
  rotateFrom: error('PE0611', 'a first feature that is not a whole number', (value: string) => ({
    message: `\`from\` is the first feature that turns, a whole number from 0, not ${value}`,
  })),
  transformBlocks: error('PE0612', 'blocks that do not cover a head', (blocks: number, side: number, dim: number) => ({
    message: `${blocks} ${blocks === 1 ? 'block' : 'blocks'} of ${side} ${side === 1 ? 'feature' : 'features'} make ${blocks * side}; a head has ${dim}`,
    hint: 'declare the number of blocks from the side: `axis place = head_dim / block, side = block`',
  })),
  repeatedTarget: error('PE0613', 'a tensor named twice by one site', (name: string) => ({
    message: `\`${name}\` stands twice in this line`,
  })),
  lossIsOnlyAdded: error('PE0614', '`loss` read as a value', () => ({
    message: '`loss` is only added to, with `loss += ...`; it cannot be read',
  })),
  rotateAxis: error('PE0615', 'a rotation over an axis that does not count pairs', (index: string, axis: string) => ({
    message: `the third index of \`rotate\` counts pairs of features; \`${index}\` runs over \`${axis}\``,
    hint: 'leave the axis out for all pairs, or declare one: `axis band = rotary_dim / 2`, then `[t, h, b: band]`',
  })),
  siteOrder: error(
    'PE0616',
    'a site with the usual letters in another order',
    (target: string, letters: readonly string[], axes: readonly string[]) => ({
      message: `\`${target}\` is over [${axes.join(', ')}], and these letters stand in another order`,
      label: `\`${letters[0]}\` is usually the first of them`,
      hint: `write \`${target}[${letters.join(', ')}]\`, or take other letters where this order is meant`,
    }),
  ),
} as const;
