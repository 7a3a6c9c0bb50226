// A second backward mode: relevance instead of gradients (layer-wise relevance propagation; for positions PA-LRP, arXiv 2506.02138). A
// program and relevance of some results come in; the program with the relevance of its inputs, and of positions, goes out.
//
// What is propagated is the share c = relevance / value: sums pass it on as they pass a cotangent on, so index solving, scans and transposes
// are reverse mode's own. A product gives each factor that carries relevance an equal part, a function of one number passes all of it, a
// softmax passes p (c - sum p c). A rotation or a matrix keeps half for the position and passes half (eq. 10); relevance does not go on
// into a phase, or an exponential or inverse of a matrix.

import { defined, given, map, program as makeProgram, reduce } from '../ir/build.ts';
import type { Axis, Definition, Given, Program, Scalar, Tensor } from '../ir/ir.ts';
import { at, call, integer, read, readAt, real, size } from '../ir/scalar.ts';
import { axesOf, freshAxes, likeAxis, readsOf, substitute, visit } from '../ir/visit.ts';
import { uniqueNames } from '../passes/unique.ts';
import { awayFromZero, carriesWhere, defaultEpsilon, pullShares } from './relevance-scalar.ts';
import type { Roles } from './relevance-scalar.ts';
import { reverse } from './reverse.ts';
import { everywhere, reverseScan, reverseTriangular, slopeOfFactor, softmaxSlope } from './rules.ts';
import type { Of, Sweep } from './rules.ts';
import type { Guarded } from './scalar.ts';
import { transpose } from './transpose.ts';

/** Inputs that carry relevance: what a model computes from its tokens. */
const contents: ReadonlySet<Given> = new Set(['embedding', 'x', 'query', 'key', 'value', 'operand']);
export const isContent = ({ type, origin }: Tensor): boolean =>
  type === 'real' && origin.kind === 'given' && contents.has(origin.given);

export interface Relevance {
  /**
   * Inputs: those of the program, and `relevance_of_RESULT` for each seeded result, with its axes. Results: `relevance_INPUT` for each input
   * that carries relevance, over its axes; `position_TENSOR` for each definition where some stayed with the position, over the points of the
   * definition; and `relevance_position` [b, t], the sum of their magnitudes by token (of a score: by its key).
   */
  readonly program: Program;
  /** The definitions where relevance stayed with the position, by the name of their result. */
  readonly positions: ReadonlyMap<string, Definition>;
}

/** `seeded`: names of results, `output` say. */
export function relevance(program: Program, seeded: readonly string[], epsilon = defaultEpsilon): Relevance {
  const unique = uniqueNames(program);
  const seeds = new Map<Tensor, Tensor>();
  const inputs: Tensor[] = [];
  const shares: Definition[] = [];
  for (const name of seeded) {
    const result = program.results.get(name);
    if (result === undefined) throw new Error(`'${program.name}' has no result '${name}'`);
    const arriving = given(`relevance_of_${name}`, result.axes.map(likeAxis), 'relevance');
    const { axes } = freshAxes(result.axes);
    const share = map(
      defined(unique(`share_${result.name}`), axes),
      call('divide', readAt(arriving, axes), awayFromZero(readAt(result, axes), epsilon)),
    );
    inputs.push(arriving);
    shares.push(share);
    seeds.set(result, share.tensor);
  }
  const stayed = new Map<Definition, Tensor[]>();
  const content = program.inputs.filter(isContent);
  const all = reverse(
    { ...program, inputs: [...program.inputs, ...inputs], definitions: [...program.definitions, ...shares] },
    seeds,
    content,
    {
      prefix: 'share_of_',
      pull: (d, share, sweep) =>
        pullShare(d, share, {
          sweep,
          roles: { content: (r) => sweep.wants(r.tensor), isPosition, epsilon },
          keep: (tensor) => void stayed.set(d, [...(stayed.get(d) ?? []), tensor]),
        }),
      stops: (d) => d.kind === 'matrix',
    },
  );
  const free = uniqueNames(all);
  const made: Definition[] = [];
  const results = new Map<string, Tensor>();
  for (const tensor of content) {
    const share = all.results.get(`share_of_${tensor.name}`);
    if (share === undefined) continue;
    const { axes } = freshAxes(tensor.axes);
    const own = defined(free(`relevance_${tensor.name}`), axes);
    made.push(map(own, call('multiply', readAt(tensor, axes), readAt(share, axes))));
    results.set(`relevance_${tensor.name}`, own);
  }
  const positions = new Map<string, Definition>();
  for (const [d, tensors] of stayed)
    tensors.forEach((tensor, n) => {
      const name = `position_${d.tensor.name}${n === 0 ? '' : `_${n + 1}`}`;
      positions.set(name, d);
      results.set(name, tensor);
    });
  const sum = byToken(
    [...positions.keys()].map((name) => results.get(name)!),
    made,
    free,
  );
  if (sum !== null) results.set('relevance_position', sum);
  return {
    program: makeProgram({
      name: program.name,
      inputs: all.inputs,
      definitions: [...all.definitions, ...made],
      sites: program.sites,
      results,
    }),
    positions,
  };
}

const isTokens = ({ extent }: Axis): boolean => extent === 'tokens' || extent === 'keys';

/** Whether a value without content differs from token to token. */
function isPosition(s: Scalar): boolean {
  let found = false;
  visit(s, (one) => {
    found ||= one.kind === 'axis' && isTokens(one.axis);
  });
  return found;
}

interface Way {
  readonly sweep: Sweep;
  readonly roles: Roles;
  /** Relevance stays with the position. */
  readonly keep: (position: Tensor) => void;
}

function pullShare(d: Definition, share: Tensor, way: Way): void {
  const { axes } = d.tensor;
  switch (d.kind) {
    case 'map':
      return pull(d, d.body, axes, everywhere(readAt(share, axes)), way);
    case 'reduce': {
      if (d.op === 'argmax') return;
      const arriving = d.op === 'sum' ? readAt(share, axes) : evenly(d, share, way);
      return pull(d, d.body, [...axes, ...d.over], everywhere(arriving), way);
    }
    case 'scan': {
      const carries = readsOf(d.factor).some(way.roles.content) || isPosition(d.factor);
      const { carried, before } = reverseScan(d, share, way.sweep, carries ? halfOf(d, way) : d.factor);
      pull(d, d.term, axes, everywhere(carried), way);
      const toFactor = call('multiply', factorPart(d), call('multiply', carried, before));
      if (carries) pull(d, d.factor, axes, everywhere(toFactor), way);
      return;
    }
    case 'triangular': {
      const carries = readsOf(d.factor).some(way.roles.content) || isPosition(d.factor);
      const carried = reverseTriangular(d, share, way.sweep, carries ? halfFactor(d, way) : d.factor);
      pull(d, d.term, axes, everywhere(readAt(carried, axes)), way);
      if (!carries) return;
      const { domain, arriving } = slopeOfFactor(d, carried, way.sweep);
      return pull(d, d.factor, domain, { ...arriving, value: call('multiply', real(0.5), arriving.value) }, way);
    }
    case 'scatter':
      return pull(d, d.body, d.over, everywhere(read(share, d.index, 0)), way);
    case 'softmax':
      return pull(d, d.body, axes, softmaxSlope(d, share, way.sweep), way);
    case 'rotate':
      return pullRotate(d, share, way);
    case 'matrix':
      return;
    default:
      return d satisfies never;
  }
}

/** Half of the factor, as a plain read. */
function halfOf(d: Of<'scan'>, { sweep }: Way): Scalar {
  const { axes, by } = freshAxes(d.tensor.axes);
  const body = call('multiply', real(0.5), substitute(d.factor, by));
  return readAt(sweep.emit(`${d.tensor.name}_half_factor`, axes, { kind: 'map', body }), d.tensor.axes);
}

/** The same for a system, over the axes of its factors. */
function halfFactor(d: Of<'triangular'>, { sweep }: Way): Scalar {
  const used = axesOf(d.factor);
  const own = [...d.tensor.axes, d.other].filter((axis) => used.has(axis));
  const { axes, by } = freshAxes(own);
  const body = call('multiply', real(0.5), substitute(d.factor, by));
  return readAt(sweep.emit(`${d.tensor.name}_half_factor`, axes, { kind: 'map', body }), own);
}

/** A factor of a recurrence and what was carried have equal parts; at the first step of a product nothing was. */
function factorPart({ along, reverse, initial }: Of<'scan'>): Scalar {
  if (initial === 0) return real(0.5);
  const end = typeof along.extent === 'number' ? integer(along.extent) : size(along.extent);
  const start = reverse ? call('subtract', end, integer(1)) : integer(0);
  return call('select', call('equal', at(along), start), real(1), real(0.5));
}

/** The share of a factor of a product: those that carry relevance get equal parts of it. */
function evenly(d: Of<'reduce'>, share: Tensor, { sweep, roles }: Way): Scalar {
  const { axes, by } = freshAxes(d.tensor.axes);
  const over = freshAxes(d.over);
  const body = substitute(carriesWhere(d.body, roles), new Map([...by, ...over.by]));
  const count = sweep.emit(`${d.tensor.name}_count`, axes, { kind: 'reduce', op: 'sum', over: over.axes, body });
  const own = call('multiply', readAt(share, d.tensor.axes), readAt(d.tensor, d.tensor.axes));
  const factor = awayFromZero(d.body, roles.epsilon);
  return call('divide', own, call('multiply', call('max', readAt(count, d.tensor.axes), real(1)), factor));
}

function pull(d: Definition, body: Scalar, domain: readonly Axis[], share: Guarded, { sweep, roles, keep }: Way): void {
  const { reads, position } = pullShares(body, share, roles);
  for (const pulled of reads)
    sweep.contribute(pulled.read.tensor, (to) => transpose(pulled, domain, to, sweep.context));
  if (position !== null) keep(emitAt(d, domain, position, sweep));
}

function emitAt(d: Definition, domain: readonly Axis[], body: Scalar, sweep: Sweep): Tensor {
  const used = axesOf(body);
  const { axes, by } = freshAxes(domain.filter((axis) => used.has(axis)));
  return sweep.emit(`position_${d.tensor.name}`, axes, { kind: 'map', body: substitute(body, by) });
}

/** Features that turn give half of their relevance to the phase, and pass half turned back; others pass. */
function pullRotate(d: Of<'rotate'>, share: Tensor, { sweep, keep }: Way): void {
  const { axes } = d.tensor;
  const { layout, from } = d;
  const outer = axes.slice(0, -1);
  const pairs = d.pair.extent as number;
  if (sweep.wants(d.input)) {
    const { axes: own } = freshAxes(axes);
    const feature = at(own.at(-1)!);
    const turns = call(
      'and',
      call('less_equal', integer(from), feature),
      call('less', feature, integer(from + 2 * pairs)),
    );
    const half = sweep.emit(`${share.name}_half`, own, {
      kind: 'map',
      body: call('multiply', readAt(share, own), call('select', turns, real(0.5), real(1))),
    });
    sweep.contribute(d.input, (to) => {
      const pair = likeAxis(d.pair);
      const by = new Map<Axis, Scalar>([...outer.map((axis, n) => [axis, at(to[n]!)] as const), [d.pair, at(pair)]]);
      const sign = -d.sign as 1 | -1;
      return { kind: 'rotate', input: half, phase: substitute(d.phase, by), pair, sign, layout, from };
    });
  }
  const p = at(d.pair);
  const first = layout === 'split' ? p : call('multiply', integer(2), p);
  const kept = [0, layout === 'split' ? pairs : 1].map((offset) => {
    const index = [...outer.map(at), call('add', first, integer(from + offset))];
    return call('multiply', read(d.tensor, index), read(share, index));
  });
  const body = call('multiply', real(0.5), call('add', kept[0]!, kept[1]!));
  keep(emitAt(d, [...outer, d.pair], body, sweep));
}

/** |relevance| of positions [b, t], over all definitions: of one that has two tokens, by the later axis, its key. */
function byToken(all: readonly Tensor[], made: Definition[], free: (wanted: string) => string): Tensor | null {
  const parts = all.flatMap((tensor) => {
    const batch = tensor.axes.find(({ role }) => role === 'batch');
    const token = tensor.axes.findLast(isTokens);
    if (batch === undefined || token === undefined) return [];
    const { axes, by } = freshAxes(tensor.axes);
    const [b, t] = [batch, token].map((axis) => axes[tensor.axes.indexOf(axis)]!) as [Axis, Axis];
    const own: Axis = { ...likeAxis(t), extent: 'tokens', role: 'token' };
    const index = tensor.axes.map((axis) => (axis === token ? at(own) : by.get(axis)!));
    const over = axes.filter((axis) => axis !== b && axis !== t);
    const body = call('abs', read(tensor, index));
    const sum = defined(free(`${tensor.name}_by_token`), [b, own]);
    made.push(over.length === 0 ? map(sum, body) : reduce('sum', sum, over, body));
    return [sum];
  });
  const [first] = parts;
  if (first === undefined) return null;
  const { axes } = freshAxes(first.axes);
  const tensor = defined(free('relevance_position'), axes);
  made.push(
    map(
      tensor,
      parts.map((part) => readAt(part, axes)).reduce((a, b) => call('add', a, b)),
    ),
  );
  return tensor;
}
