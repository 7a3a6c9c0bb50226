// Partial sums -> the sums, for a CPU: neighbouring results in vectors, or the partial sums of a single one; in an order that
// depends on the shape only.

import type { Expression } from '../kernel.ts';
import { add, f32, i32, load, local, loop, multiply, workgroupIndex } from '../kernel-build.ts';
import { readsOf } from '../../src/ir/visit.ts';
import { openPoint } from '../point.ts';
import type { Size } from '../plan/plan.ts';
import { nominal, nominalSize, numberSize, product } from '../plan/size.ts';
import { describe, variant, writeBody, type Draft, type Setting, type Wanted } from '../simt/draft.ts';
import { indicesAt, pointsOf } from '../simt/grid.ts';
import type { Part } from '../simt/partial-sums.ts';
import type { Grid, Scope } from '../simt/scope.ts';
import { sizeExpression } from '../simt/size-expression.ts';
import { storeInto } from '../simt/store.ts';
import { addTo } from '../simt/variable.ts';
import { countItems, eachNeighbour, eachRow, itemsOf } from './items.ts';

/** Adds up `count` partial sums of each result. All parts have the same results. */
export function sumPartials(setting: Setting, parts: readonly Part[], count: Size): readonly Draft[] {
  const roots = parts.map((part) => part.root);
  const { axes } = roots[0]!.definition.tensor;
  const results = axes.reduce((all, axis) => all * nominal(axis.extent), 1);
  const name = setting.kernelName(roots.map((root) => root.definition.tensor.name).join('_'));
  const bufferOf = (tensor: Part['root']['definition']['tensor']): Wanted['buffer'] => setting.storage.get(tensor)!;
  const wanted: Wanted[] = parts.flatMap(({ root, partial, scale }) => [
    { buffer: partial, write: false },
    ...readsOf(scale === null ? [] : [scale]).map((read) => ({ buffer: bufferOf(read.tensor), write: false })),
    { buffer: bufferOf(root.definition.tensor), write: true },
  ]);
  // A few results are no vectors: then the partial sums of each are.
  const few = results < 4;
  const items = few ? itemsOf(axes, [], nominalSize(count)) : itemsOf([], axes, nominalSize(count));
  const { body, buffers } = writeBody(setting, name, 1, wanted, (scope, nameOf) => {
    const write = (grid: Grid): void => {
      for (const part of parts) {
        const from = grid.prefix.at(-1)!;
        const total = addUp(scope, nameOf(part.partial), count, pointsOf(axes), from, few ? 'vector' : 'serial');
        finish(scope, setting, part, total, grid.local);
      }
    };
    eachRow(scope, items, scope.bind('item', workgroupIndex), (row, range) =>
      eachNeighbour(scope, items, row, range, write),
    );
  });
  return [
    {
      name,
      comment: `${describe(roots)}: sums of the partial sums`,
      definitions: roots.map((root) => root.definition),
      buffers,
      variants: [variant('software', countItems(items), body)],
      flops: product([count, pointsOf(axes), numberSize(parts.length)]),
    },
  ];
}

function finish(
  scope: Scope,
  setting: Setting,
  { root, scale }: Part,
  total: Expression,
  local: readonly Expression[],
): void {
  const { tensor } = root.definition;
  const at = indicesAt(scope, tensor.axes, local);
  const value = scale === null ? total : multiply(openPoint(scope, root.hints).with(at).real(scale), total);
  const index = at.map(([, each]) => each);
  storeInto(scope, setting, tensor, index, value);
}

function addUp(
  scope: Scope,
  buffer: string,
  count: Size,
  stride: Size,
  from: Expression,
  mode: 'serial' | 'vector',
): Expression {
  const total = scope.variable('total', f32(0));
  const name = scope.fresh('chunk');
  const at = add(multiply(local(name, 'i32'), sizeExpression(stride)), from);
  scope.emit(loop(name, i32(0), sizeExpression(count), [addTo(total, load(buffer, at))], { mode }));
  return total;
}
