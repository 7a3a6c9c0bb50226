// exp of [[0, -w], [w, 0]] turns by w: new[block, r] = sum over c of exp(M)[block, r, c] old[block, c] with a skew 2 x 2 M
// is a rotation of neighbouring features by M[1, 0]. No matrix is made, none has a gradient, and query and key are turned in
// their place. Blocks of more than two stay as they are: they would need the eigenvectors of the matrix, and dropping those
// from query and key together is right only where nothing else knows their basis, which a GPT-2 with biases of query and key
// does. Their exponential is one of the step already: no batch, and once for all layers where nothing of a layer is read.

import { axis, defined, map, rotate } from '../../ir/build.ts';
import type { Axis, Definition, Scalar, Tensor } from '../../ir/ir.ts';
import { at, call, integer, isConstant, read } from '../../ir/scalar.ts';
import { axesOf, freshAxes, mapScalar, substitute } from '../../ir/visit.ts';
import { exponentialProduct, isSkew } from '../../laws/maps.ts';
import type { ExponentialProduct, Made } from '../../laws/maps.ts';
import { withDefinitions } from '../pass.ts';
import { uniqueNames } from '../unique.ts';
import type { Rewrite, Seen } from './rewrites.ts';

export const rotations: Rewrite = (program) => {
  const made: Made = new Map(program.definitions.map((d) => [d.tensor, d]));
  const unique = uniqueNames(program);
  const phases = new Map<Tensor, Definition>();
  const seen: Seen[] = [];
  const definitions = program.definitions.flatMap((written): Definition[] => {
    const d = straight(written, made);
    const product = pairProduct(d, made);
    if (product === null) return [written];
    const { expm } = product;
    const known = phases.get(expm.tensor);
    const phase = known ?? phaseOf(expm, made, unique(`${expm.tensor.name}_phase`));
    phases.set(expm.tensor, phase);
    const turned = turn(d, product, phase.tensor);
    if (turned === null) return [written];
    const text = `${expm.tensor.name} is exp of a skew 2 x 2 matrix: a rotation of neighbouring features`;
    seen.push({ rewrite: 'rotations', applied: true, tensor: d.tensor.name, span: d.span, text });
    return known === undefined ? [phase, turned] : [turned];
  });
  return seen.length === 0 ? { program, seen } : { program: withDefinitions(program, definitions), seen };
};

/** The same product with a matrix that is only renamed or transposed read where it was made. */
function straight(d: Definition, made: Made): Definition {
  if (d.kind !== 'reduce' || d.body.kind !== 'call' || d.body.op !== 'multiply') return d;
  const [matrix, old] = d.body.args;
  const from = matrix?.kind === 'read' ? made.get(matrix.tensor) : undefined;
  if (matrix?.kind !== 'read' || from?.kind !== 'map' || from.body.kind !== 'read') return d;
  if (made.get(from.body.tensor)?.kind !== 'matrix') return d;
  const by = new Map(from.tensor.axes.map((own, n) => [own, matrix.index[n]!]));
  return Object.freeze({ ...d, body: call('multiply', substitute(from.body, by), old!) });
}

/** A product with the exponential of a 2 x 2 matrix that is proved skew. */
function pairProduct(d: Definition, made: Made): ExponentialProduct | null {
  const product = exponentialProduct(d, made);
  if (product === null || product.expm.cotangent !== null) return null;
  if (product.expm.tensor.axes.at(-1)!.extent !== 2 || !isSkew(product.expm, made)) return null;
  return product;
}

/** M[1, 0] over all axes of the exponential but row and column. */
function phaseOf(expm: ExponentialProduct['expm'], made: Made, name: string): Definition {
  const generator = made.get(expm.input);
  if (generator?.kind !== 'map') throw new Error(`'${expm.input.name}' is no map`);
  const [row, column] = generator.tensor.axes.slice(-2) as [Axis, Axis];
  const { axes, by } = freshAxes(generator.tensor.axes.slice(0, -2));
  const at10 = new Map<Axis, Scalar>([...by, [row, integer(1)], [column, integer(0)]]);
  return map(defined(name, axes), substitute(generator.body, at10), expm.span);
}

/** Null where old is not read block by block. */
function turn(d: Definition, product: ExponentialProduct, phase: Tensor): Definition | null {
  if (d.kind !== 'reduce' || d.body.kind !== 'call') return null;
  const { feature, column, matrix, input } = product;
  const features = feature.extent;
  if (typeof features !== 'number' || features % 2 !== 0 || !isBlockRead(d.body.args[1]!, d.tensor, product))
    return null;
  const pair = axis('p', features / 2, 'pair');
  const block = (s: Scalar): Scalar | null =>
    s.kind === 'call' && s.op === 'div' && isAxis(s.args[0]!, feature) && isConstant(s.args[1]!, 2) ? at(pair) : null;
  const index = matrix.index.slice(0, -2).map((s) => mapScalar(s, block));
  if (index.some((s) => axesOf(s).has(feature))) return null;
  const upright = isAxis(matrix.index.at(-1)!, column);
  const turned = rotate(
    d.tensor,
    { input, phase: read(phase, index), pair, sign: upright ? 1 : -1, layout: 'interleaved' },
    d.span,
  );
  return Object.freeze({ ...turned, adjointOf: d.adjointOf });
}

const isAxis = (s: Scalar, wanted: Axis): boolean => s.kind === 'axis' && s.axis === wanted;

/** old[the tensor's own axes but the last, 2 * (d div 2) + c] */
function isBlockRead(old: Scalar, { axes }: Tensor, { feature, column }: ExponentialProduct): boolean {
  if (old.kind !== 'read' || old.outside !== null || old.index.length !== axes.length) return false;
  if (!axes.slice(0, -1).every((one, n) => isAxis(old.index[n]!, one))) return false;
  if (old.tensor.axes.at(-1)!.extent !== feature.extent) return false;
  const last = old.index.at(-1)!;
  if (feature.extent === 2) return isAxis(last, column);
  if (last.kind !== 'call' || last.op !== 'add') return false;
  const [first, c] = isAxis(last.args[1]!, column) ? last.args : [last.args[1]!, last.args[0]!];
  if (!isAxis(c!, column) || first?.kind !== 'call' || first.op !== 'multiply') return false;
  const [two, block] = isConstant(first.args[0]!, 2) ? first.args : [first.args[1]!, first.args[0]!];
  return (
    isConstant(two!, 2) &&
    block?.kind === 'call' &&
    block.op === 'div' &&
    isAxis(block.args[0]!, feature) &&
    isConstant(block.args[1]!, 2)
  );
}
