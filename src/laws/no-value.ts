// Where an expression has no value: log(i - j) at i = j, a quotient by the first token, a root of something negative. Sites,
// initial values and the `let`s that they read are looked at for a few tokens, heads and features.

import type { CheckedEncoding, CheckedSite, Index, Node } from '../check/checked.ts';
import { lawCodes } from '../diagnostics/codes/laws.ts';
import type { Report } from '../diagnostics/diagnostic.ts';
import { freeIndices } from '../lower/node.ts';
import { evaluator, placesOf, type Evaluator, type Point } from './points.ts';

const TOKENS = 4; // looked at, the first ones

export function lintValues(encoding: CheckedEncoding, report: Report): void {
  const { context, bidirectional = false } = encoding.geometry;
  const said = new Set<string>();
  const points = evaluator(Math.min(TOKENS, context), !bidirectional, (node, value, point) => {
    const { file, start } = node.span;
    if (said.has(`${file} ${start}`)) return;
    said.add(`${file} ${start}`);
    report(
      lawCodes.noValueThere(
        node.span,
        nameOf(node),
        Number.isNaN(value),
        placeOf(node, point),
        hintOf(node, bidirectional),
      ),
    );
  });
  for (const declaration of encoding.declarations)
    if (declaration.kind === 'learn' || declaration.kind === 'fixed')
      for (const point of pointsOf(declaration.indices)) points.at(declaration.initial, point);
  for (const site of encoding.sites) {
    const value = 'value' in site ? site.value : site.by;
    for (const point of pointsOf(site.indices)) if (isLookedAt(site, point, encoding, points)) points.at(value, point);
  }
}

/** Points of a few places along each index. */
function pointsOf(indices: readonly Index[]): readonly Point[] {
  let points: readonly Point[] = [new Map()];
  for (const index of indices) {
    const places = index.axis.size === 'tokens' ? [0, 1, 2, 3].slice(0, TOKENS) : placesOf(index, true);
    points = points.flatMap((one) => places.map((place) => new Map([...one, [index, place]])));
  }
  return points;
}

/** Keys that a query cannot see are of no concern. */
function isLookedAt(site: CheckedSite, point: Point, encoding: CheckedEncoding, points: Evaluator): boolean {
  if (site.target !== 'score' && site.target !== 'attention' && site.target !== 'visible') return true;
  const places = site.indices.map((index) => point.get(index)!);
  if (places[2]! > places[1]! && encoding.geometry.bidirectional !== true) return false;
  if (site.target === 'visible') return true;
  return encoding.sites.every((other) => {
    if (other.target !== 'visible' || other.kind !== 'assign') return true;
    return points.at(other.value, new Map(other.indices.map((index, k) => [index, places[k]!] as const))) !== 0;
  });
}

const names: Readonly<Record<string, string>> = {
  log: 'logarithm',
  log2: 'logarithm',
  log1p: 'logarithm',
  divide: 'quotient',
  sqrt: 'square root',
  power: 'power',
  exp: 'exponential',
  expm1: 'exponential',
};

const nameOf = (node: Node): string => (node.kind === 'call' ? (names[node.op] ?? 'expression') : 'expression');

/** "i = 0, j = 0"; empty where it is so everywhere. Of a quotient the divisor decides. */
function placeOf(node: Node, point: Point): string {
  const decides = node.kind === 'call' && node.op === 'divide' ? node.args.slice(1) : [node];
  const free = freeIndices(decides);
  return [...point]
    .filter(([index]) => free.has(index))
    .map(([index, place]) => `${index.name} = ${place}`)
    .join(', ');
}

function hintOf(node: Node, bidirectional: boolean): string {
  const guard = '`if ... then ... else ...` looks at one branch only';
  switch (node.kind === 'call' ? node.op : '') {
    case 'log':
    case 'log2':
      return `\`log1p(n)\` is the logarithm of n + 1, and ${guard}`;
    case 'divide':
      return `count from 1, \`... / (n + 1)\`, or guard it: ${guard}`;
    case 'sqrt':
      if (bidirectional) return `keys stand on both sides of their query: \`abs(i - j)\` is the distance; ${guard}`;
      return `keys stand behind their query: \`i - j\` is at least 0; ${guard}`;
    case 'power':
      return 'a negative number has powers of whole exponents only, and 0 none of a negative one';
    default:
      return `guard it: ${guard}`;
  }
}
