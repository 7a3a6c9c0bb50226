// Proof that an encoding starts as another one: in both programs what is learned is replaced by its initial value where
// that is no random number, then equal definitions of the two become one; they start alike if their results do.

import { define } from '../ir/build.ts';
import type { Axis, Definition, Program, Scalar, Tensor } from '../ir/ir.ts';
import { call } from '../ir/scalar.ts';
import { mapScalar, mapScalars, replaceIn, substitute, visit } from '../ir/visit.ts';
import type { Lowered } from '../lower/lower.ts';
import { cse } from '../passes/cse.ts';
import { dead } from '../passes/dead.ts';
import { fold } from '../passes/fold.ts';
import { withDefinitions } from '../passes/pass.ts';

const random = new Set<string>(['normal', 'trunc_normal', 'uniform']);

/** The reason, or null where there is no proof. */
export function proveStartsAs(own: Lowered, other: Lowered): string | null {
  const alike = startAlike(own.attend, other.attend, 'output') && embeddingsStartAlike(own.embed, other.embed);
  return alike ? 'with initial values the two programs are the same' : null;
}

function embeddingsStartAlike(own: Program | null, other: Program | null): boolean {
  if (own === null && other === null) return true;
  const [mine, theirs] = [own ?? unchanged(other!), other ?? unchanged(own!)];
  return mine !== null && theirs !== null && startAlike(mine, theirs, 'embedding_encoded');
}

/** A program that leaves the embedding as it is; null where another one replaces it without reading it. */
function unchanged(like: Program): Program | null {
  const embedding = like.inputs.find(({ name }) => name === 'embedding');
  if (embedding === undefined) return null;
  return { ...like, inputs: [embedding], definitions: [], results: new Map([['embedding_encoded', embedding]]) };
}

function startAlike(mine: Program, theirs: Program, result: string): boolean {
  const [a, b] = [mine, theirs].map(atStart) as [Program, Program];
  const given = new Map(a.inputs.filter(({ origin }) => origin.kind === 'given').map((t) => [t.name, t]));
  const same = new Map<Tensor, Tensor>();
  for (const tensor of b.inputs) {
    const known = given.get(tensor.name);
    if (tensor.origin.kind === 'given' && known !== undefined && sameShape(known, tensor)) same.set(tensor, known);
  }
  const ends: readonly (Tensor | undefined)[] = [a.results.get(result), b.results.get(result)];
  if (ends.some((end) => end === undefined)) return false;
  const [first, second] = ends as [Tensor, Tensor];
  let both: Program = {
    ...a,
    inputs: [...a.inputs, ...b.inputs.filter((tensor) => !same.has(tensor))],
    definitions: [...a.definitions, ...b.definitions.map((d) => replaceIn(d, same))],
    sites: [],
    results: new Map([
      ['mine', first],
      ['theirs', same.get(second) ?? second],
    ]),
  };
  for (let round = 0; round < 4; round += 1) both = cse(copiesRead(fold(dead(both))));
  return both.results.get('mine') === both.results.get('theirs');
}

const sameShape = (a: Tensor, b: Tensor): boolean =>
  a.type === b.type && a.axes.length === b.axes.length && a.axes.every((axis, n) => axis.extent === b.axes[n]!.extent);

/** With initial values in the place of what is learned. */
function atStart(program: Program): Program {
  const start = (s: Scalar): Scalar | null => {
    if (s.kind !== 'read' || s.outside !== null || s.tensor.origin.kind !== 'learned') return null;
    const { initial, axes } = s.tensor.origin;
    let isRandom = false;
    visit(initial, (one) => {
      isRandom ||= one.kind === 'read' || (one.kind === 'call' && random.has(one.op));
    });
    if (isRandom) return null;
    const value = substitute(initial, new Map<Axis, Scalar>(axes.map((axis, n) => [axis, s.index[n]!])));
    return s.type === 'real' && value.type === 'integer' ? call('real', value) : value;
  };
  const definitions = program.definitions.map((d) => remade(mapScalars(d, (s) => mapScalar(s, start))));
  return withDefinitions(program, definitions);
}

/** A factor or a term that became another one is checked again as it is built. */
const remade = (d: Definition): Definition => define(d.tensor, d, { span: d.span });

/** What only repeats another tensor is read there. */
function copiesRead(program: Program): Program {
  const by = new Map<Tensor, Tensor>();
  const definitions: Definition[] = [];
  for (const before of program.definitions) {
    const d = replaceIn(before, by);
    const from = d.kind === 'map' && d.body.kind === 'read' ? d.body : null;
    const isCopy =
      from !== null &&
      from.outside === null &&
      from.tensor.axes.length === d.tensor.axes.length &&
      from.index.every((index, n) => index.kind === 'axis' && index.axis === d.tensor.axes[n]) &&
      sameShape(from.tensor, d.tensor);
    if (isCopy) by.set(d.tensor, from.tensor);
    else definitions.push(d);
  }
  const results = new Map([...program.results].map(([name, tensor]) => [name, by.get(tensor) ?? tensor]));
  return { ...program, definitions, results };
}
