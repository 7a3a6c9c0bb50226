// Maps along indices in scope, softmax[j](e) and expm[r, c](e): each becomes a definition over the indices it reads
// and those it works along, read where it stands.

import { axis, boolean, defined, expm, map, softmax } from '../ir/build.ts';
import type { Scalar } from '../ir/ir.ts';
import type { Node } from '../check/checked.ts';
import { isToken, type Lowering } from './context.ts';
import type { Frame } from './context.ts';
import { bind, frameAxes, hoist, openFrame, readHoisted } from './frame.ts';

type MapNode = Extract<Node, { kind: 'map' }>;

export function lowerMap(lowering: Lowering, node: MapNode, outer: Frame): Scalar {
  switch (node.op) {
    case 'softmax':
      return lowerSoftmax(lowering, node, outer);
    case 'expm':
      return lowerExpm(lowering, node, outer);
    case 'rank':
    case 'inverse':
      return lowering.refuse(node.op, node.span);
    default:
      return node.op satisfies never;
  }
}

function lowerSoftmax(lowering: Lowering, node: MapNode, outer: Frame): Scalar {
  const [along] = node.along;
  if (along === undefined) throw new Error('softmax works along one index');
  // A row has every key, hidden ones too, whatever the site around it looks at.
  const frame: Frame = { ...openFrame(lowering.name(`${outer.name}_softmax`), outer), causal: null };
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

function lowerExpm(lowering: Lowering, node: MapNode, outer: Frame): Scalar {
  const [row, column] = node.along;
  if (row === undefined || column === undefined) throw new Error('expm works along two indices');
  const frame = openFrame(lowering.name(`${outer.name}_generator`), outer);
  const own = [bind(lowering, frame, row), bind(lowering, frame, column)];
  const body = lowering.scalar(node.body, frame);
  const generator = defined(frame.name, frameAxes(frame, own));
  const input = hoist(lowering, frame, [row, column], map(generator, body, node.span));
  const axes = generator.axes.map((a) => axis(a.name, a.extent, a.role));
  const made = expm(defined(lowering.name(`${outer.name}_expm`), axes), generator, null, node.span);
  lowering.definitions.push(made);
  lowering.hoisted.add(made.tensor);
  return readHoisted(lowering, { tensor: made.tensor, indices: input.indices }, outer);
}
