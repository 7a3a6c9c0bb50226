// Rotations by phases that the host knows read tables of cosine and sine, computed in float64: large angles never meet
// float32. One pair of tables for all rotations by the same phase.

import { defined, map } from '../../src/ir/build.ts';
import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import { makeKeys } from '../../src/ir/key.ts';
import { at, call, read } from '../../src/ir/scalar.ts';
import { axesOf, domainOf, freshAxes, readsOf, substitute, visit } from '../../src/ir/visit.ts';

export interface Turn {
  readonly cos: Scalar;
  readonly sin: Scalar;
}

export interface Tabulated {
  readonly tables: readonly Definition[]; // cos and sin, to be evaluated after all other host definitions
  readonly turns: ReadonlyMap<Definition, Turn>;
}

type Rotate = Extract<Definition, { kind: 'rotate' }>;

export function tabulate(definitions: readonly Definition[], isHost: (tensor: Tensor) => boolean): Tabulated {
  const tables: Definition[] = [];
  const turns = new Map<Definition, Turn>();
  const keys = makeKeys();
  const known = new Map<string, { cos: Tensor; sin: Tensor }>();
  const names = new Set(definitions.map((d) => d.tensor.name));
  const unique = (name: string): string => {
    let free = name;
    for (let n = 2; names.has(free); n += 1) free = `${name}_${n}`;
    names.add(free);
    return free;
  };
  for (const d of definitions) {
    if (d.kind !== 'rotate' || d.phase.kind === 'constant' || !hostPhase(d, isHost)) continue;
    const used = domainOf(d).filter((axis) => axesOf(d.phase).has(axis));
    const { axes, by } = freshAxes(used);
    const phase = substitute(d.phase, by);
    const table = (op: 'cos' | 'sin', name: string): Definition => map(defined(name, axes), call(op, phase), d.span);
    const key = keys.definition(table('cos', 'key'));
    let pair = known.get(key);
    if (pair === undefined) {
      const base = phase.kind === 'read' ? phase.tensor.name : `${d.tensor.name}_phase`;
      const made = (['cos', 'sin'] as const).map((op) => table(op, unique(`${base}_${op}`)));
      tables.push(...made);
      pair = { cos: made[0]!.tensor, sin: made[1]!.tensor };
      known.set(key, pair);
    }
    turns.set(d, { cos: tableAt(pair.cos, used), sin: tableAt(pair.sin, used) });
  }
  return { tables, turns };
}

const tableAt = (tensor: Tensor, axes: readonly Axis[]): Scalar => read(tensor, axes.map(at));

/** Only host tensors, numbers and indices; no batch, and one token axis at most. */
function hostPhase(d: Rotate, isHost: (tensor: Tensor) => boolean): boolean {
  const used = [...axesOf(d.phase)];
  let batch = false;
  visit(d.phase, (s) => {
    if (s.kind === 'size' && s.size === 'batch') batch = true;
  });
  return (
    !batch &&
    used.every(({ extent }) => extent !== 'batch') &&
    used.filter(({ extent }) => typeof extent !== 'number').length <= 1 &&
    readsOf(d.phase).every((each) => isHost(each.tensor))
  );
}
