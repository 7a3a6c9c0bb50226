import type { Draft, Setting } from './draft.ts';
import type { MatrixNest } from '../plan/nest.ts';
export function lowerMatrix(_nest: MatrixNest, _setting: Setting): Draft {
  throw new Error('Matrix');
}
