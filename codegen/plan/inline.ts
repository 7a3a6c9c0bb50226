// Roots that read only roots, inputs and host tables: every other definition is written out where it is read, at the
// index it is read at. Short reductions become sums of their terms.

import type { Axis, Definition, Program, RuntimeSize, Scalar, Tensor } from '../../src/ir/ir.ts';
import { call, integer, real } from '../../src/ir/scalar.ts';
import { mapScalar, mapScalars, substitute, tensorsOf, type Read } from '../../src/ir/visit.ts';
import type { Root } from './nest.ts';
import type { Stage } from './stages.ts';
import type { Turn } from './tabulate.ts';

export interface InlineInput {
  readonly program: Program;
  readonly roots: ReadonlySet<Tensor>;
  readonly stages: ReadonlyMap<Definition, Stage>;
  readonly turns: ReadonlyMap<Definition, Turn>;
}

export interface Inlined {
  readonly roots: readonly Root[];
  /** What has no buffer, with everything it reads written out. */
  readonly inlined: ReadonlyMap<Tensor, Definition>;
}

export function inline({ program, roots, stages, turns }: InlineInput): Inlined {
  const inlined = new Map<Tensor, Definition>();
  const result: Root[] = [];
  for (const d of program.definitions) {
    if (stages.get(d) === 'host') continue;
    const hints = new Map<Scalar, string>();
    const expand = expander(inlined, hints);
    const turn = turns.get(d);
    const changed = turn === undefined ? mapScalars(d, expand) : d;
    if (roots.has(d.tensor))
      result.push({ definition: changed, hints, turn: turn ?? null, periodic: isPeriodic(d, program) });
    else inlined.set(d.tensor, changed);
  }
  return { roots: result, inlined };
}

/** Nothing but rotations by it read it, so that whole turns do not matter. */
function isPeriodic(d: Definition, program: Program): boolean {
  if (d.kind !== 'scan' || [...program.results.values()].includes(d.tensor)) return false;
  return program.definitions.every(
    (other) =>
      !tensorsOf(other).has(d.tensor) ||
      (other.kind === 'rotate' && other.phase.kind === 'read' && other.phase.tensor === d.tensor),
  );
}

function expander(inlined: ReadonlyMap<Tensor, Definition>, hints: Map<Scalar, string>): (s: Scalar) => Scalar {
  const done = new Map<Tensor, { index: readonly Scalar[]; value: Scalar }[]>();
  const expandRead = (read: Read): Scalar | null => {
    const d = inlined.get(read.tensor);
    if (d === undefined) return null;
    const known = done.get(read.tensor)?.find((each) => each.index.every((one, n) => same(one, read.index[n]!)));
    const value = known?.value ?? guarded(read, d);
    if (known === undefined) done.set(read.tensor, [...(done.get(read.tensor) ?? []), { index: read.index, value }]);
    if (value.kind === 'call') hints.set(value, d.tensor.name);
    return value;
  };
  return (root) => mapScalar(root, (s) => (s.kind === 'read' ? expandRead(s) : null));
}

const same = (a: Scalar, b: Scalar): boolean =>
  a === b ||
  (a.kind === 'axis' && b.kind === 'axis' && a.axis === b.axis) ||
  (a.kind === 'constant' && b.kind === 'constant' && a.value === b.value);

/** The body at an index; where that may lie outside, at the nearest index inside, if it is needed at all. */
function guarded(read: Read, d: Definition): Scalar {
  if (read.outside === null) return bodyAt(d, read.index);
  let inside: Scalar | null = null;
  const index = read.index.map((one, n) => {
    const axis = d.tensor.axes[n]!;
    if (one.kind === 'axis' && one.axis.extent === axis.extent) return one;
    const { low, high } = limits(axis);
    const within = call('and', call('less_equal', low, one), call('less_equal', one, high));
    inside = inside === null ? within : call('and', inside, within);
    return call('max', low, call('min', one, high));
  });
  const value = bodyAt(d, index);
  const outside = d.tensor.type === 'real' ? real(read.outside) : integer(read.outside);
  return inside === null ? value : call('select', inside, value, outside);
}

/** Of the whole sequence, whatever tokens a call is for: what is written out may be read at earlier ones. */
function limits({ extent }: Axis): { low: Scalar; high: Scalar } {
  const size = (name: RuntimeSize): Scalar => ({ kind: 'size', type: 'integer', size: name });
  const count =
    typeof extent === 'number'
      ? integer(extent)
      : extent === 'tokens'
        ? call('add', size('first'), size('tokens'))
        : size(extent);
  return { low: integer(0), high: call('subtract', count, integer(1)) };
}

function bodyAt(d: Definition, index: readonly Scalar[]): Scalar {
  const by = new Map(d.tensor.axes.map((axis, n) => [axis, index[n]!]));
  if (d.kind === 'map') return substitute(d.body, by);
  if (d.kind !== 'reduce' || d.op === 'argmax') throw new Error(`'${d.tensor.name}' cannot be inlined`);
  let points: Map<Axis, Scalar>[] = [new Map(by)];
  for (const axis of d.over) {
    const { extent } = axis;
    if (typeof extent !== 'number') throw new Error(`'${d.tensor.name}' has no fixed number of terms`);
    points = points.flatMap((point) =>
      Array.from({ length: extent }, (_, k) => new Map([...point, [axis, integer(k)] as const])),
    );
  }
  const terms = points.map((point) => substitute(d.body, point));
  return terms.reduce((all, term) => call(d.op === 'sum' ? 'add' : 'multiply', all, term));
}
