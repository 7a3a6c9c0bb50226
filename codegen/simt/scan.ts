import type { Draft, Setting } from './draft.ts';
import type { ScanNest } from '../plan/nest.ts';
export function lowerScan(_nest: ScanNest, _setting: Setting): readonly Draft[] {
  throw new Error('Scan');
}
