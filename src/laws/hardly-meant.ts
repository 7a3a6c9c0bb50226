// Sites that are allowed and hardly meant: a `visible` that hides nothing or everything, a key hidden by a large number, a
// value that is rotated while nothing turns the output back.

import type { CheckedEncoding, CheckedSite, Node } from '../check/checked.ts';
import { walk } from '../check/nodes.ts';
import { lawCodes } from '../diagnostics/codes/laws.ts';
import type { Report } from '../diagnostics/diagnostic.ts';
import { freeIndices } from '../lower/node.ts';
import { evaluator, placesOf } from './points.ts';

type Assigned = Extract<CheckedSite, { kind: 'assign' }>;

export function lintSites(encoding: CheckedEncoding, report: Report): void {
  const { sites } = encoding;
  for (const site of sites) {
    if (site.kind === 'assign' && site.target === 'visible') lintVisible(site, encoding, report);
    if (site.kind === 'assign' && site.target === 'score') lintLargeNumber(site, report);
    const turned = site.target === 'value' && site.kind === 'rotate' && variesWithToken(site.by, site);
    if (turned && !sites.some(({ target }) => target === 'output')) report(lawCodes.valueRotated(site.span));
  }
}

const variesWithToken = (by: Node, { indices }: CheckedSite): boolean => {
  const [token] = indices;
  return token !== undefined && freeIndices([by]).has(token);
};

/** Tokens near the beginning and far away: windows are longer than the context that happens to be compiled for. */
const tokens: readonly number[] = [
  ...Array.from({ length: 18 }, (_, n) => n),
  ...Array.from({ length: 16 }, (_, n) => 2 ** (n + 5)).flatMap((n) => [n - 1, n, n + 1]),
];

function lintVisible(site: Assigned, { geometry }: CheckedEncoding, report: Report): void {
  const { bidirectional = false } = geometry;
  const [head, query, key] = site.indices;
  if (head === undefined || query === undefined || key === undefined) return;
  if (freeIndices([site.value]).size === 0) return; // a switch, by a param or the layer
  const points = evaluator(null, !bidirectional);
  const seen = { shown: false, hidden: false };
  for (const h of placesOf(head, true)) {
    for (const i of tokens) {
      for (const j of tokens) {
        if (j > i && !bidirectional) continue;
        const value = points.at(
          site.value,
          new Map([
            [head, h],
            [query, i],
            [key, j],
          ]),
        );
        if (value === null) return; // nobody knows
        seen[value !== 0 ? 'shown' : 'hidden'] = true;
        if (seen.shown && seen.hidden) return;
      }
    }
  }
  const distance = `${query.name} - ${key.name}`;
  const swapped = bidirectional
    ? `the model shows every key: \`${distance}\` is below 0 for later ones, \`abs(${distance})\` is the distance`
    : `the model shows keys at or before their query: \`${distance}\` is the distance, at least 0`;
  if (seen.shown) report(lawCodes.hidesNothing(site.value.span, swapped));
  else report(lawCodes.hidesEverything(site.value.span, swapped));
}

const LARGE = -1e4; // no score is as low

function lintLargeNumber(site: Assigned, report: Report): void {
  walk(site.value, (node) => {
    if (node.kind !== 'call' || node.op !== 'select') return;
    for (const branch of node.args.slice(1))
      if (branch.kind === 'constant' && branch.value <= LARGE && Number.isFinite(branch.value))
        report(lawCodes.hiddenByNumber(branch.span));
  });
}
