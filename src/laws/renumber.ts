// A program in which tokens have other numbers: where an index over tokens stands as a number, t becomes
// stretch * t + offset; where it only says which token is read, it stays.

import { define } from '../ir/build.ts';
import type { Axis, Definition, Program, Rule, Scalar } from '../ir/ir.ts';
import { at, call, integer, read } from '../ir/scalar.ts';

export interface Renumbering {
  readonly stretch: number;
  readonly offset: number;
}

export const isTokens = ({ extent }: Axis): boolean => extent === 'tokens' || extent === 'keys';

export function renumber(program: Program, by: Renumbering): Program {
  if (by.stretch === 1 && by.offset === 0) return program;
  const asNumber = new Map<Scalar, Scalar>();
  const asPlace = new Map<Scalar, Scalar>();
  const rewrite = (s: Scalar, place: boolean): Scalar => {
    const known = (place ? asPlace : asNumber).get(s);
    if (known !== undefined) return known;
    const made = rebuild(s, place);
    (place ? asPlace : asNumber).set(s, made);
    return made;
  };
  const rebuild = (s: Scalar, place: boolean): Scalar => {
    switch (s.kind) {
      case 'constant':
      case 'size':
        return s;
      case 'axis':
        return place || !isTokens(s.axis) ? s : numbered(s.axis, by);
      case 'read':
        // What numbers said of places is true no more: a token before the first one is 0.
        return read(
          s.tensor,
          s.index.map((one, k) => rewrite(one, isTokens(s.tensor.axes[k]!))),
          s.outside ?? (s.index.every(({ kind }) => kind === 'axis') ? null : 0),
        );
      case 'call':
        return call(s.op, ...s.args.map((arg) => rewrite(arg, place)));
      default:
        return s satisfies never;
    }
  };
  const definitions = program.definitions.map((d) => renumbered(d, (s) => rewrite(s, false)));
  return { ...program, definitions };
}

const numbered = (axis: Axis, { stretch, offset }: Renumbering): Scalar =>
  call('add', call('multiply', integer(stretch), at(axis)), integer(offset));

function renumbered(d: Definition, rewrite: (s: Scalar) => Scalar): Definition {
  const remake = (rule: Rule): Definition => define(d.tensor, rule, { span: d.span });
  switch (d.kind) {
    case 'map':
      return remake({ kind: 'map', body: rewrite(d.body) });
    case 'reduce':
      return remake({ ...d, body: rewrite(d.body) });
    case 'scan':
      return remake({ ...d, factor: rewrite(d.factor), term: rewrite(d.term) });
    case 'triangular':
      return d; // plain reads; which rows there are does not change with their numbers
    case 'scatter':
      return d; // only in gradients
    case 'softmax':
      return remake({ ...d, where: rewrite(d.where), body: rewrite(d.body) });
    case 'rotate':
      return remake({ ...d, phase: rewrite(d.phase) });
    case 'matrix':
      return d;
    default:
      return d satisfies never;
  }
}
