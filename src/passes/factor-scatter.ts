// A scatter whose indices depend on two tokens only through their distance u = i - j (T5, Shaw): first the sums along the
// diagonals, which is a comprehension, then a scatter of one value for each distance.

import { axis as makeAxis, defined, define } from '../ir/build.ts';
import { supportIn } from '../ir/conditions.ts';
import type { Support } from '../ir/conditions.ts';
import type { Axis, Definition, Scalar } from '../ir/ir.ts';
import { normaliser } from '../ir/normalise.ts';
import { assume, inside, makeContext, proveAtMost } from '../ir/ranges.ts';
import { at, call, read, readAt, real, size } from '../ir/scalar.ts';
import { axesOf, freshAxes, mapScalar, substitute } from '../ir/visit.ts';
import { foldScalars } from './fold.ts';
import { withDefinitions } from './pass.ts';
import type { Pass } from './pass.ts';
import { uniqueNames } from './unique.ts';

type Scatter = Extract<Definition, { kind: 'scatter' }>;

export const factorScatter: Pass = (program) => {
  if (!program.definitions.some((d) => d.kind === 'scatter')) return program;
  const unique = uniqueNames(program);
  const support = supportIn(program.definitions);
  const changed = program.definitions.flatMap((d) => (d.kind === 'scatter' ? factored(d, support, unique) : [d]));
  return withDefinitions(program, changed);
};

const isTokens = ({ extent }: Axis): boolean => extent === 'tokens' || extent === 'keys';

function factored(d: Scatter, support: Support, unique: (name: string) => string): Definition[] {
  const plain = (s: Scalar): Axis | null => (s.kind === 'axis' && !isTokens(s.axis) ? s.axis : null);
  const kept = d.index.map(plain).filter((axis) => axis !== null);
  const involved = [...axesOf(d.index.filter((s) => plain(s) === null))];
  const [i, j, ...more] = involved.filter(isTokens);
  if (i === undefined || j === undefined || more.length > 0 || involved.length !== 2) return [d];
  // One of the two ways round has a distance that is never negative where anything lands.
  return diagonals(d, i, j, kept, support, unique) ?? diagonals(d, j, i, kept, support, unique) ?? [d];
}

/** With i = u + j; null where the indices still depend on j, or u may be negative. */
function diagonals(
  d: Scatter,
  i: Axis,
  j: Axis,
  kept: readonly Axis[],
  support: Support,
  unique: (name: string) => string,
): Definition[] | null {
  const context = makeContext({ training: true });
  if (!proveAtMost(at(j), at(i), assume(context, ...support(d.body)))) return null;
  const u = makeAxis('distance', 'keys');
  const sum = call('add', at(u), at(j));
  const straight = new Map([[i, sum]]);
  const normalise = normaliser(context);
  const index = d.index.map((s) => normalise(substitute(s, straight)));
  if (axesOf(index).has(j)) return null;

  const over = freshAxes(d.over.filter((axis) => axis !== i && !kept.includes(axis)));
  const own = freshAxes([u, ...kept]);
  const rename = (s: Scalar): Scalar => substitute(s, new Map([...over.by, ...own.by]));
  const guard = call('less', sum, size('keys'));
  const within = assume(context, guard);
  const value = mapScalar(foldScalars(within)(substitute(d.body, straight)), (s) =>
    s.kind === 'read' && s.outside === null && !inside(s, within) ? read(s.tensor, s.index, 0) : null,
  );
  const body = rename(call('select', guard, value, real(0)));
  const made = defined(unique(`${d.tensor.name}_by_distance`), own.axes);
  const trace = { span: d.span, adjointOf: d.adjointOf };
  const first = define(made, { kind: 'reduce', op: 'sum', over: over.axes, body }, trace);

  const last = freshAxes([u, ...kept]);
  const second = define(
    d.tensor,
    {
      kind: 'scatter',
      over: last.axes,
      index: index.map((s) => substitute(s, last.by)),
      body: readAt(made, last.axes),
    },
    { ...trace, ...(d.cotangentOf === undefined ? {} : { cotangentOf: d.cotangentOf }) },
  );
  return [first, second];
}
