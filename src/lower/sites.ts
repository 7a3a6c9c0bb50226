// A site makes the next version of one of attention's tensors: an assignment, a rotation, or a product with a matrix.

import { at, axis, call, defined, integer, map, read, real, reduce, rotate } from '../ir/build.ts';
import type { Axis, Scalar, Tensor } from '../ir/ir.ts';
import type { CheckedSite, Index, Node } from '../check/checked.ts';
import type { Lowering } from './context.ts';
import { pairExtents } from './declare.ts';
import { bind, capturedIndices, collapse, frameAxes, lookup, openFrame, readBatched, readHoisted } from './frame.ts';
import type { Frame, Hoisted } from './context.ts';

export function lowerSite(lowering: Lowering, site: CheckedSite, name: string): Tensor {
  pairExtents(lowering, site.indices);
  switch (site.kind) {
    case 'assign':
      if (site.target === 'loss') return lowerLoss(lowering, site, name);
      return lowerAssign(lowering, site, name);
    case 'rotate':
      return lowerRotate(lowering, site, name);
    case 'transform':
      return lowerTransform(lowering, site, name);
    case 'transport':
      return oldVersion(lowering, site); // the score has it: versions.ts
    default:
      return site satisfies never;
  }
}

function oldVersion(lowering: Lowering, site: CheckedSite): Tensor {
  if (site.target === 'visible') throw new Error("'visible' has no tensor");
  return lowering.version(site.target, site.version);
}

function lowerAssign(lowering: Lowering, site: Extract<CheckedSite, { kind: 'assign' }>, name: string): Tensor {
  const paired = site.target === 'score' || site.target === 'attention';
  const [head, query, key] = site.indices;
  const pair = paired && query !== undefined && key !== undefined ? { query, key } : null;
  const frame = openFrame(site.target, null, pair);
  frame.batched.value = true;
  const own = site.indices.map((index) => bind(lowering, frame, index));
  const value = lowering.scalar(site.value, frame);
  const changed = site.operator === '=' ? value : changedBy(lowering, site, value, own.map(at), frame);
  const body =
    site.target === 'attention' && site.operator !== '*=' && pair !== null && head !== undefined
      ? call('select', lowering.allVisible(pointOf(lowering, frame, head, pair), frame), changed, real(0))
      : changed;
  const made = defined(name, [frame.batch, ...own]);
  lowering.definitions.push(map(made, body, site.span));
  return made;
}

/** What a sequence adds to the loss: this term, after those of the sites above. [b] */
function lowerLoss(lowering: Lowering, site: Extract<CheckedSite, { kind: 'assign' }>, name: string): Tensor {
  const frame = openFrame(site.target);
  const term = lowering.scalar(site.value, frame);
  const before = site.version === 0 ? null : read(oldVersion(lowering, site), [at(frame.batch)]);
  const made = defined(name, [frame.batch]);
  lowering.definitions.push(map(made, before === null ? term : call('add', before, term), site.span));
  return made;
}

function pointOf(lowering: Lowering, frame: Frame, head: Index, pair: { query: Index; key: Index }) {
  const scalar = (index: Index): Scalar => lookup(lowering, frame, index);
  return { head: scalar(head), query: scalar(pair.query), key: scalar(pair.key) };
}

function changedBy(
  lowering: Lowering,
  site: Extract<CheckedSite, { kind: 'assign' }>,
  value: Scalar,
  index: readonly Scalar[],
  frame: Frame,
): Scalar {
  const old = readBatched(oldVersion(lowering, site), index, frame);
  return call(site.operator === '+=' ? 'add' : 'multiply', old, value);
}

function lowerRotate(lowering: Lowering, site: Extract<CheckedSite, { kind: 'rotate' }>, name: string): Tensor {
  const input = oldVersion(lowering, site);
  const [token, head, pairIndex] = site.indices;
  if (token === undefined || head === undefined || pairIndex === undefined) throw new Error('rotate has three indices');
  const frame = openFrame(name);
  frame.batched.value = true;
  const t = bind(lowering, frame, token);
  const h = bind(lowering, frame, head);
  const pair = bind(lowering, frame, pairIndex);
  const phase = siteValue(lowering, site, 'phase', frame);
  const made = defined(name, [frame.batch, t, h, featureAxis(lowering)]);
  const { layout, from } = site;
  lowering.definitions.push(rotate(made, { input, phase, pair, layout, from }, site.span));
  return made;
}

function featureAxis(lowering: Lowering): Axis {
  return axis('d', lowering.encoding.geometry.head_dim, 'feature');
}

/** new[block, r] = sum over c of matrix[r, c] old[block, c]; blocks are consecutive features and fill the head. */
function lowerTransform(
  lowering: Lowering,
  site: Extract<CheckedSite, { kind: 'transform' | 'transport' }>,
  name: string,
): Tensor {
  const input = oldVersion(lowering, site);
  const [token, head, ...inner] = site.indices;
  const [row, column] = inner.slice(-2);
  const block = inner.length === 3 ? inner[0] : undefined;
  if (token === undefined || head === undefined || row === undefined || column === undefined) {
    throw new Error('transform has four or five indices');
  }
  const frame = openFrame(name);
  frame.batched.value = true;
  const t = bind(lowering, frame, token);
  const h = bind(lowering, frame, head);
  const d = featureAxis(lowering);
  const side = integer(sizeOf(column));
  if (block !== undefined) frame.bound.set(block, call('div', at(d), side));
  frame.bound.set(row, block === undefined ? at(d) : call('mod', at(d), side));
  const c = bind(lowering, frame, column);
  const matrix = siteValue(lowering, site, 'matrix', frame);
  const first = block === undefined ? integer(0) : call('multiply', side, lookup(lowering, frame, block));
  const old = read(input, [at(frame.batch), at(t), at(h), call('add', first, at(c))]);
  const made = defined(name, [frame.batch, t, h, d]);
  lowering.definitions.push(reduce('sum', made, [c], call('multiply', matrix, old), site.span));
  return made;
}

function sizeOf(index: Index): number {
  if (index.axis.size === 'tokens') throw new Error(`'${index.name}' has no fixed size`);
  return index.axis.size;
}

/**
 * The phase or matrix of a site. One that is more than a read becomes a definition, so that it is computed at its own
 * stage; targets of one line share it where their heads agree.
 */
function siteValue(
  lowering: Lowering,
  site: Extract<CheckedSite, { kind: 'rotate' | 'transform' | 'transport' }>,
  wanted: string,
  frame: Frame,
): Scalar {
  if (isRead(site.by)) return lowering.scalar(site.by, frame);
  const { file, start, end } = site.by.span;
  const place = `${file}:${start}:${end}`;
  const known = lowering.siteValues.get(place);
  const own = known === undefined ? null : sameIndices(lowering, known, site, frame);
  if (known !== undefined && own !== null) return readHoisted(lowering, known, frame, own);
  const name = lowering.name(wanted);
  const inner = openFrame(name, frame);
  const body = lowering.scalar(site.by, inner);
  const axes = frameAxes(inner, []);
  const taken = collapse(lowering, body, axes, (inOrder) => defined(name, inOrder));
  const tensor = taken ?? defined(name, axes);
  if (taken === null) lowering.definitions.push(map(tensor, body, site.span));
  const made: Hoisted = { tensor, indices: capturedIndices(inner) };
  lowering.siteValues.set(place, made);
  return readHoisted(lowering, made, frame);
}

function isRead(node: Node): boolean {
  if (node.kind === 'call' && node.op === 'negate') return isRead(node.args[0]!);
  return node.kind === 'read' && node.items.every((item) => item.kind === 'index');
}

/** The indices of this target that stand for those of the one before; null: they run over other axes. */
function sameIndices(
  lowering: Lowering,
  known: Hoisted,
  site: CheckedSite,
  frame: Frame,
): ReadonlyMap<Index, Scalar> | null {
  const own = new Map<Index, Scalar>();
  for (const index of known.indices) {
    const same = site.indices.find((other) => other.name === index.name && other.axis.size === index.axis.size);
    if (same === undefined) return null;
    own.set(index, lookup(lowering, frame, same));
  }
  return own;
}
