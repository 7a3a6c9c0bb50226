// sum[k](a f[k]) = a sum[k](f[k]) for factors that do not change along the reduced axes, and a sum over an axis that
// nothing changes along is a product with its extent. What stays inside is what a matrix product can be seen in.

import { defined, define } from '../ir/build.ts';
import type { Axis, Definition, Scalar } from '../ir/ir.ts';
import { call, integer, readAt, real, size } from '../ir/scalar.ts';
import { axesOf, freshAxes, substitute } from '../ir/visit.ts';
import { withDefinitions } from './pass.ts';
import type { Pass } from './pass.ts';
import { uniqueNames } from './unique.ts';

/** The factors of a product; a negation is the factor -1. */
function factorsOf(s: Scalar): Scalar[] {
  if (s.kind === 'call' && s.type === 'real') {
    if (s.op === 'multiply') return s.args.flatMap(factorsOf);
    if (s.op === 'negate') return [real(-1), ...factorsOf(s.args[0]!)];
  }
  return [s];
}

const product = (factors: readonly Scalar[]): Scalar =>
  factors.reduce((all, one) => call('multiply', all, one), real(1));

/** How many points an axis has in one call. */
const count = ({ extent }: Axis): Scalar => call('real', typeof extent === 'number' ? integer(extent) : size(extent));

export const pullFactors: Pass = (program) => {
  const unique = uniqueNames(program);
  return withDefinitions(
    program,
    program.definitions.flatMap((d) => pullFrom(d, unique)),
  );
};

function pullFrom(d: Definition, unique: (name: string) => string): Definition[] {
  if (d.kind !== 'reduce' || d.op !== 'sum') return [d];
  const factors = factorsOf(d.body);
  const moves = (s: Scalar): boolean => [...axesOf(s)].some((axis) => d.over.includes(axis));
  const inner = factors.filter(moves);
  const used = axesOf(inner);
  const over = d.over.filter((axis) => used.has(axis));
  const outer = [...factors.filter((s) => !moves(s)), ...d.over.filter((axis) => !used.has(axis)).map(count)];
  if (outer.length === 0) return [d];
  const more = {
    span: d.span,
    adjointOf: d.adjointOf,
    ...(d.cotangentOf === undefined ? {} : { cotangentOf: d.cotangentOf }),
  };
  if (over.length === 0) return [define(d.tensor, { kind: 'map', body: product(outer) }, more)];
  const own = freshAxes(d.tensor.axes);
  const rest = substitute(product(inner), own.by);
  const sum = define(
    defined(unique(`${d.tensor.name}_sum`), own.axes),
    { kind: 'reduce', op: 'sum', over, body: rest },
    { span: d.span, adjointOf: d.adjointOf },
  );
  const body = call('multiply', product(outer), readAt(sum.tensor, d.tensor.axes));
  return [sum, define(d.tensor, { kind: 'map', body }, more)];
}
