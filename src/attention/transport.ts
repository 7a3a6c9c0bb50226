// Scores of keys that tokens change on their way to the query. The map of token s takes from every earlier key a multiple of
// one direction: M[s] = 1 - strength * removed measured^T. What it takes from key j is a number,
//   taken[s, j] = measured[s] . M[s - 1] ... M[j + 1] key[j],
// so that query[i] . M[i] ... M[j + 1] key[j] = query[i] . key[j] - sum over j < s <= i of strength[s] (query[i] . removed[s]) taken[s, j],
// and the numbers themselves solve a unit triangular system over the tokens (the UT form of arXiv 2505.16381):
//   taken[s, j] = measured[s] . key[j] - sum over j < r < s of strength[r] (measured[s] . removed[r]) taken[r, j].

import type { Span } from '../../grammar/span.ts';
import { at, axis, call, defined, integer, map, read, real, reduce, triangular } from '../ir/build.ts';
import type { Axis, Definition, Scalar, Tensor } from '../ir/ir.ts';
import { readAt } from '../ir/scalar.ts';
import { substitute } from '../ir/visit.ts';
import { keyHead, pairAxes, products, type AttentionSizes } from './compose.ts';

/** Scalars of one token's map: strength over batch, token and key head; the directions over `feature` besides. */
export interface Transport {
  readonly batch: Axis;
  readonly token: Axis;
  readonly head: Axis;
  readonly feature: Axis;
  readonly strength: Scalar;
  readonly removed: Scalar;
  readonly measured: Scalar;
  readonly span: Span;
}

interface Place {
  readonly batch: Scalar;
  readonly token: Scalar;
  readonly head: Scalar;
  readonly feature?: Scalar;
}

const times = (a: Scalar, b: Scalar): Scalar => call('multiply', a, b);

function scalarAt(scalar: Scalar, transport: Transport, place: Place): Scalar {
  const by = new Map<Axis, Scalar>([
    [transport.batch, place.batch],
    [transport.token, place.token],
    [transport.head, place.head],
  ]);
  if (place.feature !== undefined) by.set(transport.feature, place.feature);
  return substitute(scalar, by);
}

/** [b, h, s, r] over key heads: a token and those before it. */
const earlierAxes = (sizes: AttentionSizes, names: readonly [string, string]) =>
  [
    axis('b', 'batch', 'batch'),
    axis('h', sizes.kv_heads, 'kv-head'),
    axis(names[0], 'tokens', 'token'),
    axis(names[1], 'keys', 'key-token'),
  ] as const;

/** query . transported key over the features, not scaled, as the last of these definitions. [b, h, i, j] */
export function transportedProducts(
  name: (wanted: string) => string,
  query: Tensor,
  key: Tensor,
  transport: Transport,
  sizes: AttentionSizes,
): readonly Definition[] {
  const feature = (): Axis => axis('d', sizes.head_dim, 'feature');
  const value = (scalar: Scalar, batch: Scalar, token: Scalar, head: Scalar, d?: Axis): Scalar =>
    scalarAt(scalar, transport, { batch, token, head, ...(d === undefined ? {} : { feature: at(d) }) });
  const made: Definition[] = [];
  const add = (definition: Definition): Tensor => {
    made.push(Object.freeze({ ...definition, span: transport.span }));
    return definition.tensor;
  };
  /** The sum over features of a product at a point of [b, h, token, other]. */
  const dot = (
    wanted: string,
    axes: readonly Axis[],
    product: (index: readonly Scalar[], d: Axis) => Scalar,
  ): Tensor => {
    const d = feature();
    return add(reduce('sum', defined(name(wanted), axes), [d], product(axes.map(at), d)));
  };

  const overlap = dot('map_overlap', earlierAxes(sizes, ['s', 'r']), ([b, h, s, r], d) =>
    times(value(transport.measured, b!, s!, h!, d), value(transport.removed, b!, r!, h!, d)),
  );
  const factorAxes = earlierAxes(sizes, ['s', 'r']);
  const [fb, fh, , fr] = factorAxes.map(at) as [Scalar, Scalar, Scalar, Scalar];
  const factor = add(
    map(
      defined(name('map_factor'), factorAxes),
      call('negate', times(value(transport.strength, fb, fr, fh), readAt(overlap, factorAxes))),
    ),
  );
  const met = dot('key_met', earlierAxes(sizes, ['s', 'j']), ([b, h, s, j], d) =>
    times(value(transport.measured, b!, s!, h!, d), read(key, [b!, j!, h!, at(d)])),
  );
  const takenAxes = earlierAxes(sizes, ['s', 'j']);
  const [tb, th, ts, tj] = takenAxes.map(at) as [Scalar, Scalar, Scalar, Scalar];
  const other = axis('r', 'keys', 'key-token');
  const taken = add(
    triangular(defined(name('key_taken'), takenAxes), {
      along: takenAxes[2],
      other,
      from: call('add', tj, integer(1)),
      factor: read(factor, [tb, th, ts, at(other)]),
      term: readAt(met, takenAxes),
    }),
  );
  const shareAxes = [...pairAxes(sizes).slice(0, 3), axis('s', 'keys', 'key-token')];
  const facing = dot('query_met', shareAxes, ([b, h, i, s], d) =>
    times(read(query, [b!, i!, h!, at(d)]), value(transport.removed, b!, s!, keyHead(h!, sizes), d)),
  );
  const ownAxes = [...pairAxes(sizes).slice(0, 3), axis('s', 'keys', 'key-token')];
  const [ob, oh, oi, os] = ownAxes.map(at) as [Scalar, Scalar, Scalar, Scalar];
  const strength = value(transport.strength, ob, os, keyHead(oh, sizes));
  const seen = call('less_equal', os, oi);
  const share = add(
    map(defined(name('query_share'), ownAxes), call('select', seen, times(strength, readAt(facing, ownAxes)), real(0))),
  );
  const lostAxes = pairAxes(sizes);
  const [b, h, i, j] = lostAxes.map(at) as [Scalar, Scalar, Scalar, Scalar];
  const between = axis('s', 'keys', 'key-token');
  // Rows of `taken` that calls left to each other have nothing at later keys.
  const lost = call(
    'select',
    call('less', j, at(between)),
    read(taken, [b, keyHead(h, sizes), at(between), j]),
    real(0),
  );
  const total = add(
    reduce('sum', defined(name('score_taken'), lostAxes), [between], times(read(share, [b, h, i, at(between)]), lost)),
  );
  const plain = add(products(name('query_key'), query, key, sizes));
  const axes = pairAxes(sizes);
  add(map(defined(name('query_transported_key'), axes), call('subtract', readAt(plain, axes), readAt(total, axes))));
  return made;
}

/** What each token's map makes of the token's own key, for laws about the maps. [b, t, h, d] */
export function ownTransport(
  name: (wanted: string) => string,
  key: Tensor,
  transport: Transport,
): readonly Definition[] {
  const [b, t, h, d] = key.axes.map((one) => axis(one.name, one.extent, one.role)) as [Axis, Axis, Axis, Axis];
  const place = { batch: at(b), token: at(t), head: at(h) };
  const measured = scalarAt(transport.measured, transport, { ...place, feature: at(d) });
  const along = reduce(
    'sum',
    defined(name('key_met_own'), [b, t, h]),
    [d],
    times(measured, read(key, [b, t, h, d].map(at))),
    transport.span,
  );
  const axes = key.axes.map((one) => axis(one.name, one.extent, one.role));
  const [ab, at_, ah, ad] = axes.map(at) as [Scalar, Scalar, Scalar, Scalar];
  const own: Place = { batch: ab, token: at_, head: ah, feature: ad };
  const removed = times(
    scalarAt(transport.strength, transport, own),
    times(scalarAt(transport.removed, transport, own), read(along.tensor, [ab, at_, ah])),
  );
  const moved = call('subtract', readAt(key, axes), removed);
  return [along, map(defined(name('key_transported'), axes), moved, transport.span)];
}
