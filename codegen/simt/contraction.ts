import type { Draft, Setting } from './draft.ts';
import type { ContractionNest } from '../plan/nest.ts';
export function lowerContraction(_nest: ContractionNest, _setting: Setting): readonly Draft[] {
  throw new Error('Contraction');
}
