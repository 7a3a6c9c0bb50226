// How many neighbouring points a lane takes, so that its accesses are as wide as the target has them: as many elements of
// what it moves most as one access holds, where the points divide evenly and enough lanes are left.

import type { Axis, Tensor } from '../../src/ir/ir.ts';
import { domainOf } from '../../src/ir/visit.ts';
import { bytesOfElement } from '../kernel.ts';
import { readBy, type Root } from '../plan/nest.ts';
import { nominal } from '../plan/size.ts';
import type { Tally } from './coalesce.ts';
import type { Setting, Written } from './draft.ts';

/** Lanes that keep a device busy. */
export const busy = 2 ** 14;
/** Where each walks a row: it has but few loads under way. */
export const busyRows = 2 ** 16;

const pointsIn = (axes: readonly Axis[]): number => axes.reduce((all, axis) => all * nominal(axis.extent), 1);

/** Points along the last of `axes` that a lane takes; `least`: the lanes that must be left. */
export function widthOf(axes: readonly Axis[], members: readonly Root[], setting: Setting, least = busy): number {
  const extent = axes.at(-1)?.extent;
  if (setting.options.access === 4 || typeof extent !== 'number') return 1;
  const tensors = new Set<Tensor>(members.flatMap((root) => [root.definition.tensor, ...readBy(root)]));
  const points = Math.max(...members.map(({ definition }) => pointsIn(domainOf(definition))));
  const bytes = mostMoved(tensors, points, setting) ?? mostMoved(tensors, 0, setting);
  if (bytes === null) return 1;
  // A pair of features that lie beside each other is one element of a row twice as long.
  const isPairs = members.every(({ definition: d }) => d.kind === 'rotate' && d.layout === 'interleaved');
  let width = setting.options.access / bytes / (isPairs ? 2 : 1);
  while (width > 1 && (extent % width !== 0 || pointsIn(axes) / width < least)) width /= 2;
  return Math.max(1, width);
}

/** The size of the elements that make up most of the bytes, of tensors with so many elements or more. */
function mostMoved(tensors: ReadonlySet<Tensor>, least: number, setting: Setting): number | null {
  const moved = new Map<number, number>();
  for (const tensor of tensors) {
    const buffer = setting.registers.has(tensor) ? undefined : setting.storage.get(tensor);
    const elements = pointsIn(tensor.axes);
    if (buffer === undefined || elements < least) continue;
    const bytes = bytesOfElement[buffer.type];
    moved.set(bytes, (moved.get(bytes) ?? 0) + elements * bytes);
  }
  const [most] = [...moved].toSorted((x, y) => y[1] - x[1] || x[0] - y[0]);
  return most === undefined ? null : most[0];
}

/** Wide accesses for all that is stored and most that is loaded. */
const isWide = ({ wide, loads, stores }: Tally): boolean => stores === 0 && loads <= wide && wide > 0;

/** The first way of writing a body whose accesses are wide, or the last one. */
export function widest<Way>(ways: readonly Way[], write: (way: Way) => Written): { way: Way; written: Written } {
  for (const way of ways.slice(0, -1)) {
    const written = write(way);
    if (isWide(written.tally)) return { way, written };
  }
  const way = ways.at(-1)!;
  return { way, written: write(way) };
}
