// Roots that bind few enough buffers each. Where one reads too many, what is written out in it gets a buffer of its own:
// a definition first, and where no definition helps a part of the body.

import { defined, map } from '../../src/ir/build.ts';
import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import { at, read } from '../../src/ir/scalar.ts';
import {
  axesOf,
  domainOf,
  freshAxes,
  mapScalar,
  mapScalars,
  readsOf,
  substitute,
  tensorsOf,
  visit,
} from '../../src/ir/visit.ts';
import { inline, type Inlined } from './inline.ts';
import { readBy, scalarsOfRoot, type Root } from './nest.ts';
import { place, type PlaceInput } from './place.ts';
import { nominal } from './size.ts';

export interface Limited {
  readonly roots: readonly Root[];
  /** Parts of bodies that became roots, and the tensor whose body they were part of. */
  readonly parts: ReadonlyMap<Tensor, Tensor>;
}

export function withinLimit(input: PlaceInput): Limited {
  const { program, stages, turns, options } = input;
  const limit = options.maxBindings;
  const forced = new Set(options.root);
  for (;;) {
    const placed = place({ ...input, options: { ...options, root: [...forced] } });
    const made = inline({ program, roots: placed, stages, turns });
    const wide = made.roots.filter((root) => readBy(root).size >= mostReads(root, limit));
    const next = wide
      .map((root) => widestDefinition(input, root, made, mostReads(root, limit)))
      .find((name) => name !== null);
    if (next === undefined || next === null || forced.has(next)) return splitAll(made.roots, limit);
    forced.add(next);
  }
}

/** One more than a root may read beside what it writes: a scan also has what its chunks add up to. */
const mostReads = ({ definition }: Root, limit: number): number => limit - (definition.kind === 'scan' ? 1 : 0);

/** The inlined definition that reads the most tensors, though fewer than the limit. */
function widestDefinition({ program }: PlaceInput, root: Root, { inlined }: Inlined, limit: number): string | null {
  const written = new Map(program.definitions.map((d) => [d.tensor, d]));
  const parts = new Set<Tensor>();
  const enter = (d: Definition): void => {
    for (const tensor of tensorsOf(d)) {
      if (!inlined.has(tensor) || parts.has(tensor)) continue;
      parts.add(tensor);
      enter(written.get(tensor)!);
    }
  };
  enter(written.get(root.definition.tensor)!);
  const reads = (tensor: Tensor): number => tensorsOf(inlined.get(tensor)!).size;
  const [best] = [...parts].filter((t) => reads(t) > 1 && reads(t) < limit).toSorted((a, b) => reads(b) - reads(a));
  return best?.name ?? null;
}

function splitAll(roots: readonly Root[], limit: number): Limited {
  const parts = new Map<Tensor, Tensor>();
  const result = roots.flatMap((root) => {
    const before: Root[] = [];
    let rest = root;
    while (readBy(rest).size >= mostReads(rest, limit)) {
      const name = `${root.definition.tensor.name}_part_${before.length + 1}`;
      const split = splitOne(rest, name, mostReads(rest, limit));
      if (split === null) break;
      parts.set(split.part.definition.tensor, root.definition.tensor);
      before.push(split.part);
      rest = split.rest;
    }
    return [...before, rest];
  });
  return { roots: result, parts };
}

const pointsIn = (axes: readonly Axis[]): number => axes.reduce((all, axis) => all * nominal(axis.extent), 1);

/** The part of the body over the fewest points that reads the most tensors, as a root of its own. */
function splitOne(root: Root, name: string, limit: number): { part: Root; rest: Root } | null {
  const d = root.definition;
  const domain = domainOf(d);
  const axesIn = (s: Scalar): readonly Axis[] => {
    const used = axesOf(s);
    return domain.filter((axis) => used.has(axis));
  };
  const reads = (s: Scalar): number => new Set(readsOf(s).map((each) => each.tensor)).size;
  const candidates: Scalar[] = [];
  visit(scalarsOfRoot(root), (s) => {
    if (s.kind === 'call' && s.type === 'real' && reads(s) > 1 && reads(s) < limit) candidates.push(s);
  });
  const [part] = candidates.toSorted((a, b) => pointsIn(axesIn(a)) - pointsIn(axesIn(b)) || reads(b) - reads(a));
  if (part === undefined) return null;
  const used = axesIn(part);
  const { axes, by } = freshAxes(used);
  const tensor = defined(name, axes);
  const replacement = read(tensor, used.map(at));
  const changed = mapScalars(d, (scalar) => mapScalar(scalar, (s) => (s === part ? replacement : null)));
  const made = { ...map(tensor, substitute(part, by), d.span), adjointOf: d.adjointOf };
  return {
    part: { definition: made, hints: root.hints, turn: null, periodic: false },
    rest: { ...root, definition: changed },
  };
}
