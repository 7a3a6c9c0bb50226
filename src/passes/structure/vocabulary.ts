// A value of a token that is made of its embedding alone is the same for all tokens with one id: it is made once for each word
// of the vocabulary, and read by id. D[b, t, rest] = T[tokens[b, t], rest], where T is made of vocabulary[v, m] as D is of
// embedding[b, t, m]. Equal where embedding[b, t, m] is vocabulary[tokens[b, t], m], so only where no site changes it. What
// goes back to the table is a sum by id, for which the caller sorts the ids (codegen/plan/segments.ts).

import { axis, define, defined, given, map } from '../../ir/build.ts';
import type { Axis, Definition, Program, Rule, Scalar, Tensor } from '../../ir/ir.ts';
import { at, call, read } from '../../ir/scalar.ts';
import { domainOf, likeAxis, scalarsOf, tensorsOf } from '../../ir/visit.ts';
import { dead } from '../dead.ts';
import { withDefinitions } from '../pass.ts';
import { uniqueNames } from '../unique.ts';
import type { Rewrite, RewriteContext, Seen } from './rewrites.ts';
import { isTokens } from './row.ts';

type Word = Extract<Definition, { kind: 'map' | 'reduce' | 'softmax' }>;

/** A definition whose values are those of a word. */
interface OfWord {
  readonly definition: Word;
  readonly batch: Axis;
  readonly token: Axis;
  readonly rest: readonly Axis[];
}

export const vocabularyTables: Rewrite = (program, context) => {
  const embedding = program.inputs.find(({ origin }) => origin.kind === 'given' && origin.given === 'embedding');
  const known = embedding === undefined ? new Map<Tensor, OfWord>() : ofWords(program, embedding);
  const chosen = embedding === undefined ? [] : outermost(program, known, embedding);
  if (embedding === undefined || chosen.length === 0) return { program, seen: [] };
  const why = whyNot(program, context);
  const seen = chosen.map(({ definition }): Seen => {
    const { tensor, span } = definition;
    const what = `${tensor.name} depends on the token's id alone`;
    const text = why === null ? `${what}: it is a table over the vocabulary, read by id` : `${what}, but ${why}`;
    return { rewrite: 'vocabulary', applied: why === null, tensor: tensor.name, span, text };
  });
  if (why !== null || context.vocabulary.kind !== 'known') return { program, seen };
  return { program: withTables(program, embedding, context.vocabulary.words, known, chosen), seen };
};

/** Names by which the caller supplies ids and table, and what it sorts ids by. */
const suppliedNames = ['tokens', 'vocabulary', 'tokens_order', 'tokens_start', 'd_vocabulary'] as const;

/** One of these that a program has for something else. */
export function takenName({ inputs, definitions }: Program): string | null {
  const names = new Set([...inputs, ...definitions.map((d) => d.tensor)].map(({ name }) => name));
  return suppliedNames.find((name) => names.has(name)) ?? null;
}

const isTaken = (name: string): string => `another tensor is called ${name}`;

function whyNot(program: Program, { vocabulary }: RewriteContext): string | null {
  switch (vocabulary.kind) {
    case 'unknown':
      return 'how many words there are is not known';
    case 'changed':
      return 'a line changes the embedding';
    case 'known': {
      const { words, tokens } = vocabulary;
      if (tokens !== null && tokens <= words) return `there are ${words} words, and ${tokens} tokens at once`;
      const taken = takenName(program);
      return taken === null ? null : isTaken(taken);
    }
    case 'taken':
      return isTaken(vocabulary.name);
    default:
      return vocabulary satisfies never;
  }
}

/** What reads the embedding of its own token, and besides nothing that differs between tokens or sequences. */
function ofWords(program: Program, embedding: Tensor): ReadonlyMap<Tensor, OfWord> {
  const known = new Map<Tensor, OfWord>();
  for (const d of program.definitions) {
    const one = asOfWord(d, (tensor) => tensor === embedding || known.has(tensor));
    if (one !== null) known.set(d.tensor, one);
  }
  return known;
}

const isBatch = ({ extent }: Axis): boolean => extent === 'batch';
const isFixed = ({ extent }: Axis): boolean => typeof extent === 'number';

function asOfWord(d: Definition, isOfWord: (tensor: Tensor) => boolean): OfWord | null {
  if (d.kind !== 'map' && d.kind !== 'reduce' && d.kind !== 'softmax') return null;
  const [batch, token] = [d.tensor.axes.find(isBatch), d.tensor.axes.find(isTokens)];
  if (batch === undefined || token === undefined || ![...tensorsOf(d)].some(isOfWord)) return null;
  if (!domainOf(d).every((one) => one === batch || one === token || isFixed(one))) return null;
  const fits = (s: Scalar): boolean => {
    switch (s.kind) {
      case 'constant':
        return true;
      case 'size':
        return false;
      case 'axis':
        return s.axis !== batch && s.axis !== token;
      case 'call':
        return s.args.every(fits);
      case 'read': {
        const { axes } = s.tensor;
        if (!isOfWord(s.tensor)) return axes.every(isFixed) && s.index.every(fits);
        return s.index.every((index, n) =>
          isFixed(axes[n]!) ? fits(index) : index.kind === 'axis' && index.axis === (isBatch(axes[n]!) ? batch : token),
        );
      }
      default:
        return s satisfies never;
    }
  };
  if (!scalarsOf(d).every(fits)) return null;
  return { definition: d, batch, token, rest: d.tensor.axes.filter((one) => one !== batch && one !== token) };
}

const count = (axes: readonly Axis[]): number => axes.reduce((all, { extent }) => all * Number(extent), 1);

/**
 * Those that others read, or callers; where such a one only spreads a smaller one (a power for each pair), the smaller one.
 * One without any sum is not worth a table.
 */
function outermost(program: Program, known: ReadonlyMap<Tensor, OfWord>, embedding: Tensor): readonly OfWord[] {
  const others = program.definitions.filter(({ tensor }) => !known.has(tensor));
  const pending = new Set([...program.results.values(), ...others.flatMap((d) => [...tensorsOf(d)])]);
  const chosen: OfWord[] = [];
  for (const tensor of pending) {
    const one = known.get(tensor);
    if (one === undefined) continue;
    const reads = [...tensorsOf(one.definition)];
    const below = reads.flatMap((each) => known.get(each) ?? []);
    const smaller = below.reduce((all, { rest }) => all + count(rest), 0);
    const spreads = reads.includes(embedding)
      ? count(one.rest) >= Number(embedding.axes.at(-1)!.extent)
      : count(one.rest) > smaller;
    if (one.definition.kind === 'map' && spreads) below.forEach(({ definition }) => pending.add(definition.tensor));
    else if (hasSum(one, known)) chosen.push(one);
  }
  return chosen;
}

const hasSum = ({ definition }: OfWord, known: ReadonlyMap<Tensor, OfWord>): boolean =>
  definition.kind !== 'map' ||
  [...tensorsOf(definition)].some((tensor) => known.has(tensor) && hasSum(known.get(tensor)!, known));

function withTables(
  program: Program,
  embedding: Tensor,
  words: number,
  known: ReadonlyMap<Tensor, OfWord>,
  chosen: readonly OfWord[],
): Program {
  const unique = uniqueNames(program);
  const ids = given('tokens', [axis('b', 'batch', 'batch'), axis('t', 'tokens', 'token')], 'operand', 'integer');
  const table = given('vocabulary', [axis('v', words), likeAxis(embedding.axes.at(-1)!)], 'operand');
  const tables = new Map<Tensor, Tensor>([[embedding, table]]);
  const made: Definition[] = [];
  const tableOf = (tensor: Tensor): Tensor => {
    const found = tables.get(tensor);
    if (found !== undefined) return found;
    const definition = overWords(known.get(tensor)!, words, unique(`${tensor.name}_of_word`), tableOf);
    made.push(definition);
    tables.set(tensor, definition.tensor);
    return definition.tensor;
  };
  const byTensor = new Map(chosen.map((one) => [one.definition.tensor, one]));
  const definitions = program.definitions.flatMap((d): Definition[] => {
    const one = byTensor.get(d.tensor);
    if (one === undefined) return [d];
    const whole = tableOf(d.tensor);
    const before = made.splice(0);
    return [...before, ...readById(one, whole, ids, unique)];
  });
  const live = dead(withDefinitions(program, definitions));
  const isRead = live.definitions.some((d) => tensorsOf(d).has(embedding));
  const inputs = [...program.inputs.filter((input) => input !== embedding || isRead), ids, table];
  return { ...live, inputs };
}

/** The same for each word, [v, rest]. */
function overWords({ definition: d, rest }: OfWord, words: number, name: string, tableOf: (t: Tensor) => Tensor) {
  const word = axis('v', words);
  const fresh = new Map(domainOf(d).map((one) => [one, likeAxis(one)]));
  const moved = (s: Scalar): Scalar => {
    if (s.kind === 'axis') return at(fresh.get(s.axis)!);
    if (s.kind === 'call') return call(s.op, ...s.args.map(moved));
    if (s.kind !== 'read') return s;
    const { axes } = s.tensor;
    if (axes.every(isFixed)) return read(s.tensor, s.index.map(moved), s.outside);
    const inner = s.index.filter((_, n) => isFixed(axes[n]!)).map(moved);
    return read(tableOf(s.tensor), [at(word), ...inner], s.outside);
  };
  const tensor = defined(name, [word, ...rest.map((one) => fresh.get(one)!)], d.tensor.type);
  return define(tensor, ruleOf(d, moved, fresh), { span: d.span });
}

function ruleOf(d: Word, moved: (s: Scalar) => Scalar, fresh: ReadonlyMap<Axis, Axis>): Rule {
  switch (d.kind) {
    case 'map':
      return { kind: 'map', body: moved(d.body) };
    case 'reduce':
      return { kind: 'reduce', op: d.op, over: d.over.map((one) => fresh.get(one)!), body: moved(d.body) };
    case 'softmax':
      return { kind: 'softmax', over: fresh.get(d.over)!, where: moved(d.where), body: moved(d.body) };
    default:
      return d satisfies never;
  }
}

/** Rows of this call's tokens; what runs over all keys reads them. */
function readById(one: OfWord, table: Tensor, ids: Tensor, unique: (wanted: string) => string): Definition[] {
  const { tensor, span } = one.definition;
  const ofKeys = one.token.extent === 'keys';
  const token = ofKeys ? axis('t', 'tokens', 'token') : one.token;
  const batch = ofKeys ? likeAxis(one.batch) : one.batch;
  const rest = ofKeys ? one.rest.map(likeAxis) : one.rest;
  const rows = ofKeys ? defined(unique(`${tensor.name}_of_token`), [batch, token, ...rest], tensor.type) : tensor;
  const gathered = map(rows, read(table, [read(ids, [at(batch), at(token)]), ...rest.map(at)], 0), span);
  if (!ofKeys) return [gathered];
  return [gathered, map(tensor, read(rows, [one.batch, one.token, ...one.rest].map(at)), span)];
}
