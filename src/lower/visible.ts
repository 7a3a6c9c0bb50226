// What a query token may look at: the model's own mask, narrowed by each `visible` site. A condition, not a tensor:
// it is built into the softmax (and into whatever reads scores) at the point asked for.

import { modelMask } from '../attention/compose.ts';
import type { CheckedEncoding, CheckedSite } from '../check/checked.ts';
import { call } from '../ir/build.ts';
import type { Scalar } from '../ir/ir.ts';
import type { Lowering, VisiblePoint } from './context.ts';
import { pairExtents } from './declare.ts';
import type { Frame } from './context.ts';

type Visibility = Pick<Lowering, 'visible' | 'allVisible'>;

export function makeVisible(encoding: CheckedEncoding, lowering: () => Lowering): Visibility {
  const sites = encoding.sites.filter((site) => site.target === 'visible');
  const shown = modelMask(encoding.geometry);

  const visible = (version: number, point: VisiblePoint, frame: Frame): Scalar => {
    const site = sites[version - 1];
    if (site === undefined || site.kind !== 'assign') return shown(point);
    const narrowed = conditionOf(lowering(), site, point, frame);
    const rest = visible(version - 1, point, frame);
    return call('and', rest, narrowed);
  };

  return {
    visible,
    allVisible: (point, frame) => visible(sites.length, point, frame),
  };
}

/** The right side of a `visible` site with its indices standing for the point. */
function conditionOf(
  lowering: Lowering,
  site: Extract<CheckedSite, { kind: 'assign' }>,
  point: VisiblePoint,
  frame: Frame,
): Scalar {
  const [head, query, key] = site.indices;
  if (head === undefined || query === undefined || key === undefined) throw new Error('visible has three indices');
  pairExtents(lowering, site.indices);
  const before = [head, query, key].map((index) => [index, frame.bound.get(index)] as const);
  frame.bound.set(head, point.head);
  frame.bound.set(query, point.query);
  frame.bound.set(key, point.key);
  const condition = lowering.scalar(site.value, frame);
  for (const [index, scalar] of before) {
    if (scalar === undefined) frame.bound.delete(index);
    else frame.bound.set(index, scalar);
  }
  return condition;
}
