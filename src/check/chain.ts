// The order of the chain: embedding, x, query/key/value, score/visible, attention, output, loss. Which version of a
// tensor stands above each line, and the lines that change a tensor after something was made from it.

import type { Encoding } from '../../grammar/ast.ts';
import type { Span } from '../../grammar/span.ts';
import { codes } from '../diagnostics/codes.ts';
import { chain } from './builtins.ts';
import type { ChainTensor, Declaration, Node } from './checked.ts';
import { walk } from './nodes.ts';
import type { Checker, Entry, Line, Versions } from './scope.ts';
import type { CheckedLine, SiteLine } from './sites.ts';

type ChainRead = Extract<Node, { kind: 'chain' }>;

/** The model's own versions. */
export const START: Versions = {
  embedding: 0,
  x: 0,
  query: 0,
  key: 0,
  value: 0,
  visible: 0,
  score: 0,
  attention: 0,
  output: 0,
  loss: 0,
};

/** The versions above each line, by its place. */
export function versionsAbove(lines: readonly Line[], sites: ReadonlyMap<Line, SiteLine>): readonly Versions[] {
  let versions = START;
  return lines.map((line) => {
    const above = versions;
    const site = sites.get(line);
    if (site?.live === true) {
      const made = Object.fromEntries(site.targets.map((target) => [target, above[target] + 1]));
      versions = { ...above, ...made };
    }
    return above;
  });
}

/** Sites link by link of the chain, parents first. */
export function inChainOrder(sites: readonly CheckedLine[]): readonly CheckedLine[] {
  const link = (site: CheckedLine): number => Math.min(...site.targets.map((target) => chain[target].link));
  return sites.toSorted((a, b) => link(a) - link(b) || a.line.place - b.line.place);
}

function readsOf(root: Node): readonly ChainRead[] {
  const found: ChainRead[] = [];
  walk(root, (node) => {
    if (node.kind === 'chain') found.push(node);
  });
  return found;
}

const valuesOf = (site: CheckedLine): readonly Node[] =>
  site.checked.map((one) => (one.kind === 'assign' ? one.value : one.by));

export function checkChain(
  sites: readonly CheckedLine[],
  declarations: ReadonlyMap<Entry, Declaration>,
  checker: Checker,
): void {
  const live = sites.filter((site) => site.live);
  const circular = checkReads(live, checker);
  checkMoves(live, declarations, circular, checker);
  for (const site of live)
    if (site.targets.includes('embedding') && site.scope.notes.layer !== null)
      checker.report(
        null,
        codes.layerInEmbedding(site.site.targets.span, [
          { span: site.scope.notes.layer, text: '`layer` is read here' },
        ]),
      );
}

interface Use {
  readonly encoding: Encoding;
  readonly place: number;
  readonly tensor: ChainTensor;
  readonly span: Span;
}

/** Within one body, a link may not change below a line that used a later one. */
function checkMoves(
  sites: readonly CheckedLine[],
  declarations: ReadonlyMap<Entry, Declaration>,
  circular: ReadonlySet<CheckedLine>,
  checker: Checker,
): void {
  const uses: Use[] = [];
  for (const [{ line }, declaration] of declarations)
    if (declaration.kind === 'let' && !line.inherited)
      for (const { tensor, span } of readsOf(declaration.value))
        uses.push({ encoding: line.encoding, place: line.place, tensor, span });
  for (const { line, site, targets } of sites)
    for (const tensor of targets) uses.push({ encoding: line.encoding, place: line.place, tensor, span: site.span });
  uses.sort((a, b) => a.place - b.place);
  for (const one of sites) {
    const { line, site, targets } = one;
    if (circular.has(one)) continue;
    for (const [place, target] of targets.entries()) {
      const { link } = chain[target];
      const use = uses.find(
        (other) => other.encoding === line.encoding && other.place < line.place && chain[other.tensor].link > link,
      );
      if (use === undefined) continue;
      const labels = [{ span: use.span, text: `uses \`${use.tensor}\`` }];
      checker.report(
        null,
        codes.chainOrder(
          site.targets.names[place]?.span ?? site.span,
          chain[use.tensor].made,
          target,
          checker.line(use.span),
          labels,
        ),
      );
      break;
    }
  }
}

/** A site may not need what is made from its own tensor: a later link, or, through a `let` below, its own result. */
function checkReads(sites: readonly CheckedLine[], checker: Checker): ReadonlySet<CheckedLine> {
  const circular = new Set<CheckedLine>();
  const ordered = inChainOrder(sites);
  const maker = new Map<string, number>(); // "query 1" -> the site that makes it
  for (const [index, site] of ordered.entries())
    for (const { target, version } of site.checked) maker.set(`${target} ${version + 1}`, index);
  for (const [index, site] of ordered.entries()) {
    const link = Math.max(...site.targets.map((target) => chain[target].link));
    const own = site.targets.join('`, `');
    const { read, through } = firstLate(valuesOf(site), (node) => {
      const made = maker.get(`${node.tensor} ${node.version}`);
      return chain[node.tensor].link > link || (made !== undefined && made >= index);
    });
    if (read === null) continue;
    circular.add(site);
    const labels = [{ span: read.span, text: `reads \`${read.tensor}\`` }];
    checker.report(
      null,
      chain[read.tensor].link > link
        ? codes.readsLater(site.site.span, own, read.tensor, labels)
        : codes.readsOwnResult(site.site.span, read.tensor, through?.name ?? read.tensor, labels),
    );
  }
  return circular;
}

/** The first read, here or in what is read from here, that is late; and the declaration it stands in. */
function firstLate(
  roots: readonly Node[],
  late: (node: ChainRead) => boolean,
): { readonly read: ChainRead | null; readonly through: Declaration | null } {
  const seen = new Set<Node>();
  const visited = new Set<Declaration>();
  const pending: { root: Node; through: Declaration | null }[] = roots.map((root) => ({ root, through: null }));
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    const { root, through } = next;
    let read: ChainRead | null = null;
    walk(
      root,
      (node) => {
        if (node.kind === 'chain' && read === null && late(node)) read = node;
        if (node.kind === 'read' && node.of.kind === 'let' && !visited.has(node.of)) {
          visited.add(node.of);
          pending.push({ root: node.of.value, through: node.of });
        }
      },
      seen,
    );
    if (read !== null) return { read, through };
  }
  return { read: null, through: null };
}
