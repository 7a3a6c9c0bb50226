// Maps along indices in scope, softmax[j](e), rank[j](e), expm[r, c](e) and inverse[r, c](e): each becomes a definition over the indices it reads
// and those it works along, read where it stands.

import { at, axis, boolean, call, defined, expm, inverse, map, real, reduce, softmax } from '../ir/build.ts';
import type { MatrixFunction, Scalar } from '../ir/ir.ts';
import type { Index, Node } from '../check/checked.ts';
import { isToken, type Lowering } from './context.ts';
import type { Frame } from './context.ts';
import { bind, frameAxes, hoist, lookup, openFrame, readHoisted } from './frame.ts';
import { freeIndices } from './node.ts';

type MapNode = Extract<Node, { kind: 'map' }>;

export function lowerMap(lowering: Lowering, node: MapNode, outer: Frame): Scalar {
  switch (node.op) {
    case 'softmax':
      return lowerSoftmax(lowering, node, outer);
    case 'rank':
      return lowerRank(lowering, node, outer);
    case 'expm':
    case 'inverse':
      return lowerMatrix(lowering, node, node.op, outer);
    default:
      return node.op satisfies never;
  }
}

/** A frame for what a map works along: it has all elements, also those of which conditions around the map do not hold. */
function openMap(name: string, outer: Frame, along: readonly Index[]): Frame {
  const frame = openFrame(name, outer);
  const isOfOthers = (guard: Node): boolean => {
    const free = freeIndices([guard]);
    return along.every((index) => !free.has(index));
  };
  return { ...frame, guards: frame.guards.filter(isOfOthers) };
}

function lowerSoftmax(lowering: Lowering, node: MapNode, outer: Frame): Scalar {
  const [along] = node.along;
  if (along === undefined) throw new Error('softmax works along one index');
  // A row has every key, hidden ones too, whatever the site around it looks at.
  const frame: Frame = { ...openMap(lowering.name(`${outer.name}_softmax`), outer, [along]), shown: null };
  const over = isToken(along.axis) ? keysAxis(lowering, along, frame) : bind(lowering, frame, along);
  const body = lowering.scalar(node.body, frame);
  const where = node.where === null ? boolean(true) : lowering.scalar(node.where, frame);
  const tensor = defined(frame.name, frameAxes(frame, [over]));
  const made = hoist(lowering, frame, [along], softmax(tensor, over, where, body, node.span));
  return readHoisted(lowering, made, outer);
}

/** A row of a softmax is over every token so far, whatever tokens it is read at. */
function keysAxis(lowering: Lowering, along: MapNode['along'][number], frame: Frame) {
  const before = lowering.extents.get(along);
  lowering.extents.set(along, 'keys');
  const over = bind(lowering, frame, along);
  if (before === undefined) lowering.extents.delete(along);
  else lowering.extents.set(along, before);
  return over;
}

/**
 * How many elements of the row (where `where` holds of them) are smaller, or as large and earlier. An element is never
 * compared with itself: kernels may round it differently in two places.
 */
function lowerRank(lowering: Lowering, node: MapNode, outer: Frame): Scalar {
  const [along] = node.along;
  if (along === undefined) throw new Error('rank works along one index');
  const frame: Frame = { ...openMap(lowering.name(`${outer.name}_each`), outer, [along]), shown: null }; // as in a softmax
  const over = isToken(along.axis) ? keysAxis(lowering, along, frame) : bind(lowering, frame, along);
  const body = lowering.scalar(node.body, frame);
  const each = hoist(lowering, frame, [along], map(defined(frame.name, frameAxes(frame, [over]), body.type), body));

  const count = openMap(lowering.name(`${outer.name}_rank`), outer, [along]);
  const own = lookup(lowering, count, along);
  const value = readHoisted(lowering, each, count);
  const other = isToken(along.axis) ? keysAxis(lowering, along, count) : bind(lowering, count, along);
  const compared = readHoisted(lowering, each, count);
  const counted = node.where === null ? boolean(true) : lowering.scalar(node.where, count);
  count.bound.set(along, own);
  const earlier = call('and', call('less', at(other), own), call('less_equal', compared, value));
  const later = call('and', call('less', own, at(other)), call('less', compared, value));
  const before = call('and', counted, call('or', earlier, later));
  const tensor = defined(count.name, frameAxes(count, []));
  const made = reduce('sum', tensor, [other], call('select', before, real(1), real(0)), node.span);
  return readHoisted(lowering, hoist(lowering, count, [], made), outer);
}

function lowerMatrix(lowering: Lowering, node: MapNode, op: MatrixFunction, outer: Frame): Scalar {
  const [row, column] = node.along;
  if (row === undefined || column === undefined) throw new Error(`${op} works along two indices`);
  const name = lowering.name(`${outer.name}_${op === 'expm' ? 'generator' : 'matrix'}`);
  const frame = openMap(name, outer, [row, column]);
  const own = [bind(lowering, frame, row), bind(lowering, frame, column)];
  const body = lowering.scalar(node.body, frame);
  const generator = defined(frame.name, frameAxes(frame, own));
  const input = hoist(lowering, frame, [row, column], map(generator, body, node.span));
  const axes = generator.axes.map((a) => axis(a.name, a.extent, a.role));
  const result = defined(lowering.name(`${outer.name}_${op}`), axes);
  const made = op === 'expm' ? expm(result, generator, null, node.span) : inverse(result, generator, node.span);
  lowering.definitions.push(made);
  lowering.hoisted.add(made.tensor);
  return readHoisted(lowering, { tensor: made.tensor, indices: input.indices }, outer);
}
