// A function of small matrices -> kernels: a lane a matrix in private arrays, or a workgroup a matrix in workgroup memory.

import { flopsOf } from '../plan/cost.ts';
import type { MatrixNest } from '../plan/nest.ts';
import type { KernelVariant } from '../plan/plan.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting } from './draft.ts';
import { exponential } from './exponential.ts';
import { groupGrid, laneGrid, laneGroups, pointsOf } from './grid.ts';
import { inverse } from './inverse.ts';
import { groupEngine, laneEngine, type MatrixDefinition } from './matrix-engine.ts';
import type { KernelBuffer } from './scope.ts';

/** A workgroup a matrix from this side on. */
const largeSide = 6;
/** Of a workgroup, on every device. */
const mostLanes = 256;

export function lowerMatrix({ root }: MatrixNest, setting: Setting): Draft {
  const d = root.definition as MatrixDefinition;
  const { tensor } = d;
  const side = tensor.axes.at(-1)!.extent as number;
  const outer = tensor.axes.slice(0, -2);
  const name = setting.kernelName(tensor.name);
  const wanted = buffersOf([root], setting);
  let buffers: readonly KernelBuffer[] = [];
  const variants: KernelVariant[] = [];
  const write = writerOf(d);
  const forced = setting.options.rows;
  if (forced === 'thread' || forced === 'auto' || side < largeSide) {
    const one = writeBody(setting, name, 64, wanted, (scope) => {
      const grid = laneGrid(scope, outer, 'matrix');
      write(scope, setting, d, side, grid.local, laneEngine(scope, side));
    });
    buffers = one.buffers;
    variants.push(variant('software', laneGroups(pointsOf(outer)), one.body));
  }
  if (side >= largeSide && forced !== 'thread') {
    const lanes = Math.min(mostLanes, 2 ** Math.ceil(Math.log2(side * side)));
    const all = writeBody(setting, name, lanes, wanted, (scope) => {
      const grid = groupGrid(scope, outer, 'matrix');
      write(scope, setting, d, side, grid.local, groupEngine(scope, side, lanes));
    });
    buffers = all.buffers;
    variants.push(variant('portable', pointsOf(outer), all.body));
  }
  return { name, comment: describe([root]), definitions: [d], buffers, variants, flops: flopsOf([root]) };
}

export const writerOf = (d: MatrixDefinition) => (d.function === 'inverse' ? inverse : exponential);
