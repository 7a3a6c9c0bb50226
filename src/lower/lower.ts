// A checked encoding becomes programs of the tensor IR: attention with the encoding in it (query, key, value, x -> output),
// and, where it changes `embedding` or `x`, each change alone. Definitions appear in the order in which they are
// first needed; afterwards the programs need nothing of the syntax.

import type { Report } from '../diagnostics/diagnostic.ts';
import { ownTransport, type Transport } from '../attention/transport.ts';
import { pairAxes } from '../attention/compose.ts';
import type { CheckedEncoding, Declaration, Node } from '../check/checked.ts';
import { at, call, defined, given, integer, map, program, read, real } from '../ir/build.ts';
import type { Program, Scalar, Site, Tensor } from '../ir/ir.ts';
import { makeContext } from '../ir/ranges.ts';
import type { Lowering } from './context.ts';
import { declare } from './declare.ts';
import { lowerScalar } from './expression.ts';
import { notCompiled, type Feature } from './features.ts';
import { openFrame } from './frame.ts';
import { readsChain } from './node.ts';
import { lowerTransport } from './transport.ts';
import { lastTensor, makeVersion } from './versions.ts';
import { makeVisible } from './visible.ts';

export interface Lowered {
  /**
   * Inputs: those of query, key and value [b, t, h, d], x and embedding (behind its sites) [b, t, m], position, `given`, drawn and learned tensors that
   * are read, and training. Results: output, score (hidden entries 0), attention, query_encoded, key_encoded,
   * key_transported (what the map of a token makes of its own key, where there is one), each `let` by name, and loss [b]
   * where there is one.
   */
  readonly attend: Program;
  /** Input embedding [b, t, m]; result embedding_encoded. */
  readonly embed: Program | null;
  /**
   * Input x [b, t, m]; result x_encoded, which query, key and value are made of. Where attention reads the changed x, its
   * own program changes it again.
   */
  readonly input: Program | null;
}

/** Null when something is not compiled; every such place has been reported. */
export function lower(encoding: CheckedEncoding, report: Report): Lowered | null {
  const said = new Set<string>();
  const failed = { value: false };
  const once: Report = (diagnostic) => {
    const place = `${diagnostic.code}:${diagnostic.span.file}:${diagnostic.span.start}`;
    if (diagnostic.severity === 'error') failed.value = true;
    if (said.has(place)) return;
    said.add(place);
    report(diagnostic);
  };
  const embed = beginPart(encoding, once, 'embed', 'embedding');
  const input = beginPart(encoding, once, 'input', 'x');
  const { lowering, declared } = begin(encoding, once, 'attend');
  const results = attentionResults(lowering);
  for (const declaration of encoding.declarations) {
    if (declaration.kind !== 'let' || [embed, input, { declared }].some((part) => part?.declared.has(declaration)))
      continue;
    // One that nothing reads is only a result.
    const part = embed !== null && readsOnlyEmbedding(declaration.value) ? embed.lowering : lowering;
    part.declared(declaration);
  }
  if (failed.value) return null;
  addLets(results, declared);
  return { attend: finish(lowering, results), embed: finishPart(embed), input: finishPart(input) };
}

/** Of attention's tensors, so that its program needs no more than the sites on it do. */
const readsOnlyEmbedding = (value: Node): boolean =>
  readsChain(value, 'embedding') && !laterLinks.some((tensor) => readsChain(value, tensor));

const laterLinks = ['x', 'query', 'key', 'value', 'visible', 'score', 'attention', 'output', 'loss'] as const;

interface Part extends Begun {
  readonly target: 'embedding' | 'x';
  readonly changed: Tensor;
}

/** A program that only changes one tensor; null where no site does. */
function beginPart(
  encoding: CheckedEncoding,
  report: Report,
  part: Lowering['part'],
  target: Part['target'],
): Part | null {
  if (!encoding.sites.some((site) => site.target === target)) return null;
  const begun = begin(encoding, report, part);
  return { ...begun, target, changed: lastTensor(begun.lowering, target) };
}

function finishPart(part: Part | null): Program | null {
  if (part === null) return null;
  const results = new Map<string, Tensor>([[`${part.target}_encoded`, part.changed]]);
  addLets(results, part.declared);
  return finish(part.lowering, results);
}

function attentionResults(lowering: Lowering): Map<string, Tensor> {
  const results = new Map<string, Tensor>([['output', lastTensor(lowering, 'output')]]);
  results.set('attention', lastTensor(lowering, 'attention'));
  results.set('score', maskedScore(lowering));
  results.set('query_encoded', lastTensor(lowering, 'query'));
  results.set('key_encoded', lastTensor(lowering, 'key'));
  const addsToLoss = lowering.encoding.sites.some(({ target }) => target === 'loss');
  if (addsToLoss) results.set('loss', lastTensor(lowering, 'loss'));
  const transport = lowering.transport();
  if (transport !== null) {
    const moved = ownTransport(lowering.name, lastTensor(lowering, 'key'), transport);
    lowering.definitions.push(...moved);
    results.set('key_transported', moved.at(-1)!.tensor);
  }
  return results;
}

/** The last score where it is looked at, 0 elsewhere; for people, nothing in attention reads it. [b, h, i, j] */
function maskedScore(lowering: Lowering): Tensor {
  const score = lastTensor(lowering, 'score');
  const axes = pairAxes(lowering.encoding.geometry);
  const index = axes.map(at) as [Scalar, Scalar, Scalar, Scalar];
  const frame = { ...openFrame('score'), batch: axes[0]! };
  const seen = lowering.allVisible({ head: index[1], query: index[2], key: index[3] }, frame);
  const tensor = defined('score', axes);
  lowering.definitions.push(map(tensor, call('select', seen, read(score, index), real(0))));
  return tensor;
}

function addLets(results: Map<string, Tensor>, declared: ReadonlyMap<Declaration, Tensor>): void {
  for (const [declaration, tensor] of declared) {
    if (declaration.kind === 'let' && !results.has(declaration.name)) results.set(declaration.name, tensor);
  }
}

function finish(lowering: Lowering, results: ReadonlyMap<string, Tensor>): Program {
  const order = ['embedding', 'x', 'query', 'key', 'value'];
  const given = order.flatMap((name) => lowering.inputs.get(name) ?? []);
  const rest = [...lowering.inputs.values()].filter((tensor) => !given.includes(tensor));
  const declarations = lowering.encoding.declarations.map((declaration) => declaration.name);
  rest.sort((a, b) => declarations.indexOf(a.name) - declarations.indexOf(b.name));
  const { name, sites: written } = lowering.encoding;
  const place = (site: Site): number => written.findIndex((w) => w.span === site.span && w.target === site.target);
  const sites = lowering.sites.toSorted((a, b) => place(a) - place(b));
  return program({ name, inputs: [...given, ...rest], definitions: lowering.definitions, sites, results });
}

interface Begun {
  readonly lowering: Lowering;
  readonly declared: ReadonlyMap<Declaration, Tensor>;
}

/** Names that generated definitions may not take: attention's own, and the results that callers ask for. */
const reserved = 'embedding x query key value visible score attention output loss position training'.split(' ');

/** wanted, or wanted_2, wanted_3, ... */
function allocate(taken: Set<string>, wanted: string): string {
  const base = wanted.replace(/(_sum)+$/, '_sum');
  const tries = (n: number): string => (n === 1 ? base : `${base}_${n}`);
  let n = 1;
  while (taken.has(tries(n))) n += 1;
  taken.add(tries(n));
  return tries(n);
}

function begin(encoding: CheckedEncoding, report: Report, part: Lowering['part']): Begun {
  const declared = new Map<Declaration, Tensor>();
  const versions = new Map<string, Tensor>();
  const taken = new Set<string>([...reserved, ...encoding.declarations.map((declaration) => declaration.name)]);
  const memo = <Key>(known: Map<Key, Tensor>, key: Key, make: () => Tensor): Tensor => {
    const tensor = known.get(key) ?? make();
    known.set(key, tensor);
    return tensor;
  };
  let transport: Transport | null | undefined;
  const lowering: Lowering = {
    encoding,
    report,
    part,
    definitions: [],
    hoisted: new Set(),
    sites: [],
    inputs: new Map(),
    extents: new Map(),
    ranges: makeContext(),
    siteValues: new Map(),
    name: (wanted) => allocate(taken, wanted),
    scalar: (node, frame) => lowerScalar(lowering, node, frame),
    declared: (declaration) => memo(declared, declaration, () => declare(lowering, declaration)),
    version: (target, version) => memo(versions, `${target} ${version}`, () => makeVersion(lowering, target, version)),
    transport: () => (transport === undefined ? (transport = lowerTransport(lowering)) : transport),
    ...makeVisible(encoding, () => lowering),
    training: () => {
      const flag = memo(versions, 'training', () => given('training', [], 'training', 'integer'));
      lowering.inputs.set('training', flag);
      return call('not_equal', read(flag, []), integer(0));
    },
    refuse: (feature: Feature, span) => {
      report(notCompiled[feature](span));
      return real(0);
    },
  };
  return { lowering, declared };
}
