// Decode where tensors change with the length of the sequence: rows of earlier calls are no longer right, or go no further
// than the tokens that there were. A tensor that changes and is read at other tokens is made again for every token so far, from what it is made of: raw keys are cached, and
// turned again at each call. Roots in, roots out; host tables are made for all rows at each call anyway.

import { at, defined, map, read } from '../../src/ir/build.ts';
import { eachRead, supportIn, supportOfBody } from '../../src/ir/conditions.ts';
import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import { assume, makeContext, proveAtMost, type Context } from '../../src/ir/ranges.ts';
import { likeAxis, mapScalar, mapScalars, operandsOf, readsOf, scalarsOf, visit } from '../../src/ir/visit.ts';
import { readBy, scalarsOfRoot, type Root } from './nest.ts';

export interface Before {
  readonly host: readonly Definition[];
  readonly step: readonly Root[];
}

const isTokens = (axis: Axis): boolean => axis.extent === 'tokens';

const isRecurrence = (d: Definition): boolean => (d.kind === 'scan' || d.kind === 'triangular') && isTokens(d.along);

/** `before`: what the host and the step entry compute, anew where it changes. `isElsewhere`: not the reader's own token. */
export function forAllKeys(
  roots: readonly Root[],
  before: Before,
  isElsewhere: (tensor: Tensor, index: readonly Scalar[]) => boolean,
): readonly Root[] {
  const all = [...before.step, ...roots];
  const changing = changingWithLength(all, before.host);
  const wanted = neededForAll(all, changing, isElsewhere);
  if (wanted.size === 0) return roots;
  const known = new Map<Tensor, Tensor>();
  const ofStep = before.step.flatMap((root) => (wanted.has(root.definition.tensor) ? overKeys(root, known) : []));
  const own = roots.flatMap((root) => {
    const { tensor } = root.definition;
    const moved = redirected(root, (s) => {
      const all = s.kind === 'read' && isElsewhere(s.tensor, s.index) ? known.get(s.tensor) : undefined;
      return all === undefined || s.kind !== 'read' ? null : read(all, s.index, s.outside);
    });
    if (!wanted.has(tensor)) return [moved];
    const made = overKeys(root, known);
    // A recurrence that changes goes through all tokens again: its own rows are some of them.
    return isRecurrence(root.definition)
      ? [...made, plain(map(tensor, rowOf(known.get(tensor)!, tensor)))]
      : [moved, ...made];
  });
  return [...madeOf(ofStep, before.step), ...ofStep, ...own];
}

/** What some roots are made of among those of the step entry, which need not keep it. */
function madeOf(made: readonly Root[], step: readonly Root[]): readonly Root[] {
  const needed = new Set(made.flatMap((root) => [...readBy(root)]));
  const found = step.toReversed().filter((root) => {
    if (!needed.has(root.definition.tensor)) return false;
    for (const tensor of readBy(root)) needed.add(tensor);
    return true;
  });
  return found.toReversed();
}

/** Of this call's rows; every token axis is read at its own token. */
const rowOf = (all: Tensor, tensor: Tensor): Scalar => read(all, tensor.axes.map(at));

function changingWithLength(roots: readonly Root[], host: readonly Definition[]): ReadonlySet<Tensor> {
  const changing = new Set<Tensor>();
  const usesLength = (scalars: readonly Scalar[]): boolean => {
    let found = false;
    visit(scalars, (s) => {
      found ||= s.kind === 'size' && s.size === 'keys';
      found ||= s.kind === 'read' && changing.has(s.tensor);
    });
    return found;
  };
  const all = roots.map(({ definition }) => definition);
  const support = supportIn(all);
  const contextOf = (d: Definition): Context => assume(makeContext(), ...supportOfBody(d, support));
  for (const d of all) for (const tensor of readBeyondRows(d, contextOf(d))) changing.add(tensor);
  for (const d of [...host, ...all]) if (countsLater(d, contextOf(d))) changing.add(d.tensor);
  for (const d of host) {
    if (usesLength(scalarsOf(d)) || operandsOf(d).some((one) => changing.has(one))) changing.add(d.tensor);
  }
  for (const root of roots) {
    const operands = operandsOf(root.definition);
    if (usesLength(scalarsOfRoot(root)) || operands.some((one) => changing.has(one))) {
      changing.add(root.definition.tensor);
    }
  }
  return changing;
}

const isKeys = (axis: Axis): boolean => axis.extent === 'keys';

/** Tensors of pairs that are read at the row of a token and perhaps at a later one: a call makes rows as long as it sees. */
function readBeyondRows(d: Definition, context: Context): ReadonlySet<Tensor> {
  const found = new Set<Tensor>();
  eachRead(d, context, ({ tensor, index }, inner) => {
    const places = (is: (axis: Axis) => boolean): Scalar[] => index.filter((_, n) => is(tensor.axes[n]!));
    const isBehind = (key: Scalar): boolean => places(isTokens).some((row) => proveAtMost(key, row, inner));
    const ofThisCall = places(isTokens).every((row) => row.kind === 'axis' && isTokens(row.axis));
    if (tensor.axes.some(isTokens) && !ofThisCall && !places(isKeys).every(isBehind)) found.add(tensor);
  });
  return found;
}

/** Whether a value of a token is made of terms for tokens behind it, of which there are more in each call. */
function countsLater(d: Definition, context: Context): boolean {
  const own = d.tensor.axes.filter((axis) => isTokens(axis) || isKeys(axis));
  const isBehind = (axis: Axis, known: Context): boolean =>
    own.some((t) => t !== axis && proveAtMost(at(axis), at(t), known));
  switch (d.kind) {
    case 'softmax':
      return isKeys(d.over) && !isBehind(d.over, assume(context, d.where));
    case 'reduce': {
      const taken = isNeutral(d) ? assume(context, (d.body as Choice).args[0]!) : context;
      return d.over.some((axis) => isKeys(axis) && !isBehind(axis, taken));
    }
    case 'scan':
      return d.reverse && isKeys(d.along);
    default:
      return false;
  }
}

type Choice = Extract<Scalar, { kind: 'call' }>;

/** Whether what is not chosen does not change what is made of the rest. */
function isNeutral({ op, body }: Extract<Definition, { kind: 'reduce' }>): boolean {
  if (body.kind !== 'call' || body.op !== 'select') return false;
  const other = body.args[2]!;
  if (other.kind !== 'constant') return false;
  return op === 'sum' ? other.value === 0 : op === 'prod' ? other.value === 1 : other.value < -3e38;
}

/** Changing tensors of tokens that are read at other tokens, are recurrences, or that such a one is made of. */
function neededForAll(
  roots: readonly Root[],
  changing: ReadonlySet<Tensor>,
  isElsewhere: (tensor: Tensor, index: readonly Scalar[]) => boolean,
): ReadonlySet<Tensor> {
  const wanted = new Set<Tensor>();
  for (const root of roots) {
    const { definition: d } = root;
    for (const each of readsOf(scalarsOfRoot(root))) if (isElsewhere(each.tensor, each.index)) wanted.add(each.tensor);
    if (isRecurrence(d)) wanted.add(d.tensor);
  }
  const made = new Set(roots.map((root) => root.definition.tensor));
  const isOne = (tensor: Tensor): boolean => made.has(tensor) && changing.has(tensor) && tensor.axes.some(isTokens);
  for (const tensor of wanted) if (!isOne(tensor)) wanted.delete(tensor);
  for (const root of roots.toReversed()) {
    if (!wanted.has(root.definition.tensor)) continue;
    for (const tensor of readBy(root)) if (isOne(tensor)) wanted.add(tensor);
  }
  return wanted;
}

/** The root for every token so far, and copies of the rows that it takes whole; `known` gets its tensor. */
function overKeys(root: Root, known: Map<Tensor, Tensor>): readonly Root[] {
  const { definition: d } = root;
  const tokens = d.tensor.axes.find(isTokens)!;
  const key: Axis = { ...tokens, extent: 'keys', role: 'key-token' };
  const before: Root[] = [];
  const whole = (tensor: Tensor): Tensor => {
    const made = known.get(tensor);
    if (made !== undefined || !tensor.axes.some(isTokens)) return made ?? tensor;
    const axes = tensor.axes.map((axis): Axis => (isTokens(axis) ? { ...key } : likeAxis(axis)));
    const copy = defined(`${tensor.name}_all`, axes, tensor.type);
    before.push(plain(map(copy, read(tensor, axes.map(at)))));
    return copy;
  };
  const over = (axis: Axis): Axis => (axis === tokens ? key : axis);
  const all = defined(`${d.tensor.name}_all`, d.tensor.axes.map(over), d.tensor.type);
  const by = new Map([[tokens, at(key)]]);
  const other = d.kind === 'triangular' && isTokens(d.other) ? { ...d.other, extent: 'keys' as const } : null;
  if (d.kind === 'triangular' && other !== null) by.set(d.other, at(other));
  const moved = redirected(root, (s) => {
    if (s.kind === 'axis') return by.get(s.axis) ?? null;
    const from = s.kind === 'read' ? known.get(s.tensor) : undefined;
    return from === undefined || s.kind !== 'read' ? null : read(from, s.index, s.outside);
  });
  known.set(d.tensor, all);
  const rule = moved.definition;
  const own =
    rule.kind === 'rotate' || rule.kind === 'matrix'
      ? { ...rule, input: whole(rule.input) }
      : rule.kind === 'scan'
        ? { ...rule, along: over(rule.along) }
        : rule.kind === 'triangular'
          ? { ...rule, along: over(rule.along), other: other ?? rule.other }
          : rule;
  return [...before, { ...moved, definition: Object.freeze({ ...own, tensor: all }) as Definition }];
}

function redirected(root: Root, change: (s: Scalar) => Scalar | null): Root {
  const to = (scalar: Scalar): Scalar => mapScalar(scalar, change);
  const turn = root.turn === null ? null : { cos: to(root.turn.cos), sin: to(root.turn.sin) };
  return { ...root, definition: mapScalars(root.definition, to), turn };
}

const plain = (definition: Definition): Root => ({ definition, hints: new Map(), turn: null, periodic: false });
