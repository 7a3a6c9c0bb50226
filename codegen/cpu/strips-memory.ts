// Memory of an item for what members of strips make and read among themselves: strips, and values of rows. One array serves
// several of them, one after the other; a strip may be made where another lies that is read at the same point for the last
// time.

import type { Tensor } from '../../src/ir/ir.ts';
import { readsOf } from '../../src/ir/visit.ts';
import type { StripMember, StripsNest } from '../plan/nest.ts';
import { extentSize, numberSize, product } from '../plan/size.ts';
import { rolesOf, sameScalar } from '../plan/strips-roles.ts';
import { scalarsOfRule } from '../plan/strips-range.ts';
import type { Scope } from '../simt/scope.ts';

export function declareStrips(scope: Scope, { members, frame, rows, inside }: StripsNest): void {
  const lastRead = new Map<Tensor, number>();
  members.forEach((member, n) => {
    lastRead.set(tensorOf(member), n);
    for (const { tensor } of readsOf(scalarsOfRule(member))) lastRead.set(tensor, n);
  });
  const free: { key: string; array: string; from: number }[] = [];
  const keyOf = new Map<Tensor, string>();
  members.forEach((member, n) => {
    const tensor = tensorOf(member);
    const roles = rolesOf(tensor, frame);
    if (member.place === 'sum' || roles === null || !inside.has(tensor)) return;
    const left = [roles.batch, roles.head, roles.query];
    const axes = tensor.axes.map((_, k) => k).filter((k) => !left.includes(k));
    const extents = axes.map((k) => tensor.axes[k]!.extent);
    const type = tensor.type === 'real' ? 'f32' : 'i32';
    const key = JSON.stringify([type, extents]);
    keyOf.set(tensor, key);
    const source = members
      .slice(0, n)
      .map(tensorOf)
      .find((from) => keyOf.get(from) === key && lastRead.get(from) === n && readsHere(member, from));
    const spare = free.findIndex((each) => each.key === key && each.from < n);
    const reused =
      source !== undefined ? scope.strips.get(source)!.array : free.splice(spare, spare < 0 ? 0 : 1)[0]?.array;
    const size = product([...extents.map(extentSize), numberSize(rows)]);
    const array = reused ?? scope.scratch(tensor.name, type, size);
    scope.strips.set(tensor, { array, axes, query: roles.query, rows });
    if (source !== undefined) lastRead.delete(source);
    for (const [each, last] of lastRead) {
      const strip = scope.strips.get(each);
      if (last > n || strip === undefined) continue;
      free.push({ key: keyOf.get(each)!, array: strip.array, from: n });
      lastRead.delete(each);
    }
  });
}

const tensorOf = ({ root }: StripMember): Tensor => root.definition.tensor;

/** Reads a strip nowhere but at the point that it makes, and once. */
function readsHere({ rule, index, root }: StripMember, from: Tensor): boolean {
  if (rule.kind !== 'map' && rule.kind !== 'softmax' && rule.kind !== 'scan') return false;
  const isHere = ({ tensor, index: own }: ReturnType<typeof readsOf>[number]): boolean =>
    tensor !== from || (own.length === index.length && own.every((one, n) => sameScalar(one, index[n]!)));
  const again = rule.kind === 'softmax' ? readsOf(rule.where) : [];
  return (
    root.definition.tensor.axes.length === from.axes.length &&
    again.every(({ tensor }) => tensor !== from) &&
    readsOf(rule.kind === 'softmax' ? rule.body : rule.kind === 'map' ? rule.body : [rule.factor, rule.term]).every(
      isHere,
    )
  );
}
