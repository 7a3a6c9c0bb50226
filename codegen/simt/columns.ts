import type { Draft, Setting } from './draft.ts';
import type { ColumnsNest } from '../plan/nest.ts';
export function lowerColumns(_nest: ColumnsNest, _setting: Setting): readonly Draft[] {
  throw new Error('Columns');
}
