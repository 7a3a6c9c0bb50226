// A nest -> its kernels for a CPU: items of work with loops in them, in the order in which they run.

import type { Nest } from '../plan/nest.ts';
import type { Draft, Setting } from '../simt/draft.ts';
import { lowerColumns } from './columns.ts';
import { lowerContraction } from './contraction.ts';
import { lowerMatrix } from './matrix.ts';
import { lowerRows } from './rows.ts';
import { lowerScan } from './scan.ts';
import { lowerSegments } from './segments.ts';
import { lowerStack } from './stack.ts';
import { lowerStrips } from './strips.ts';
import { lowerTriangular } from './triangular.ts';

export function lowerForCpu(nest: Nest, setting: Setting): readonly Draft[] {
  switch (nest.kind) {
    case 'rows':
      return [lowerRows(nest, setting)];
    case 'stack':
      return [lowerStack(nest, setting)];
    case 'columns':
      return lowerColumns(nest, setting);
    case 'contraction':
      return lowerContraction(nest, setting);
    case 'scan':
      return lowerScan(nest, setting);
    case 'segments':
      return lowerSegments(nest, setting);
    case 'matrix':
      return [lowerMatrix(nest, setting)];
    case 'triangular':
      return [lowerTriangular(nest, setting)];
    case 'strips':
      return [lowerStrips(nest, setting)];
    default:
      return nest satisfies never;
  }
}
