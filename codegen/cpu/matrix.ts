// A function of small matrices -> one kernel for a CPU: an item has several matrices, one after the other
// in private arrays, in vectors along their rows.

import { workgroupIndex } from '../kernel-build.ts';
import { flopsOf } from '../plan/cost.ts';
import type { MatrixNest } from '../plan/nest.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting } from '../simt/draft.ts';
import { laneEngine, type MatrixDefinition } from '../simt/matrix-engine.ts';
import { writerOf } from '../simt/matrix.ts';
import { countItems, eachRow, itemsOf } from './items.ts';

/** Products of a matrix, about: terms of the series and squarings. */
const products = 16;
/** Rows that are worth vectors. */
const fewest = 4;

export function lowerMatrix({ root }: MatrixNest, setting: Setting): Draft {
  const d = root.definition as MatrixDefinition;
  const { tensor } = d;
  const side = tensor.axes.at(-1)!.extent as number;
  const name = setting.kernelName(tensor.name);
  const write = writerOf(d);
  const items = itemsOf(tensor.axes.slice(0, -2), [], products * side ** 3);
  const { body, buffers } = writeBody(setting, name, 1, buffersOf([root], setting), (scope) => {
    const engine = laneEngine(scope, side, side < fewest ? 'serial' : 'vector');
    eachRow(scope, items, scope.bind('item', workgroupIndex), (matrix) =>
      write(scope, setting, d, side, matrix.local, engine),
    );
  });
  return {
    name,
    comment: describe([root]),
    definitions: [d],
    buffers,
    variants: [variant('software', countItems(items), body)],
    flops: flopsOf([root]),
  };
}
