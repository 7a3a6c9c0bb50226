// How far an encoding reaches: the rows of a learned table that is read by a token's place. Past them a text has no
// position of its own. A table that is read by a distance between two tokens reaches anywhere.

import { axesOf, readsOf, scalarsOf } from '../ir/visit.ts';
import type { Axis, Program, Scalar, Tensor } from '../ir/ir.ts';
import type { LayerEncoding } from './encoding.ts';

const isToken = ({ role }: Axis): boolean => role === 'token' || role === 'key-token';

/** The fewest rows; null: no table is read so. */
export function rowsByPlace(layers: readonly LayerEncoding[]): number | null {
  const programs = layers.flatMap(({ attend, embed, input }) =>
    [attend, embed, input].filter((program) => program !== null),
  );
  const rows = [...new Set(programs)].flatMap(rowsOf);
  return rows.length === 0 ? null : Math.min(...rows);
}

function rowsOf({ definitions }: Program): number[] {
  const bodies = new Map(definitions.map((d) => [d.tensor, scalarsOf(d)] as const));
  const found: number[] = [];
  for (const { tensor, index } of readsOf([...bodies.values()].flat())) {
    if (tensor.origin.kind !== 'learned') continue;
    index.forEach((one, n) => {
      const { extent } = tensor.axes[n]!;
      if (typeof extent === 'number' && isPlace(one, bodies)) found.push(extent);
    });
  }
  return found;
}

/** Depends on where one token is, and on that alone. */
function isPlace(index: Scalar, bodies: ReadonlyMap<Tensor, readonly Scalar[]>): boolean {
  const tokens = [...axesOf(index)].filter(isToken);
  return tokens.length === 1 && (index.kind === 'axis' || readsPosition([index], bodies));
}

/** Also through definitions. */
function readsPosition(roots: readonly Scalar[], bodies: ReadonlyMap<Tensor, readonly Scalar[]>): boolean {
  const seen = new Set<Tensor>();
  const enter = (scalars: readonly Scalar[]): boolean =>
    readsOf(scalars).some(({ tensor }) => {
      if (tensor.origin.kind === 'given' && tensor.origin.given === 'position') return true;
      if (seen.has(tensor)) return false;
      seen.add(tensor);
      return enter(bodies.get(tensor) ?? []);
    });
  return enter(roots);
}
