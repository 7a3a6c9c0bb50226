// exp of [[0, -w], [w, 0]] turns by w: new[block, r] = sum over c of exp(M)[block, r, c] old[block, c] with a skew 2 x 2 M
// is a rotation of neighbouring features by M[1, 0]. No matrix is made, none has a gradient, and query and key are turned in
// their place. Larger blocks stay as they are here: they would need the eigenvectors of the matrix (generators.ts). Their
// exponential is one of the step already: no batch, and once for all layers where nothing of a layer is read.

import { defined, map } from '../../ir/build.ts';
import type { Axis, Definition, Scalar, Tensor } from '../../ir/ir.ts';
import { integer } from '../../ir/scalar.ts';
import { freshAxes, substitute } from '../../ir/visit.ts';
import { isSkew } from '../../laws/maps.ts';
import type { Made } from '../../laws/maps.ts';
import { withDefinitions } from '../pass.ts';
import { uniqueNames } from '../unique.ts';
import { blockProduct, turned } from './block-products.ts';
import type { BlockProduct } from './block-products.ts';
import type { Rewrite, Seen } from './rewrites.ts';

export const rotations: Rewrite = (program) => {
  const made: Made = new Map(program.definitions.map((d) => [d.tensor, d]));
  const unique = uniqueNames(program);
  const phases = new Map<Tensor, Definition>();
  const seen: Seen[] = [];
  const definitions = program.definitions.flatMap((d): Definition[] => {
    const product = blockProduct(d, made);
    if (product === null || product.features !== 2 || !isSkew(product.expm, made)) return [d];
    const { expm } = product;
    const known = phases.get(expm.tensor);
    const phase = known ?? phaseOf(expm, made, unique(`${expm.tensor.name}_phase`));
    const rotation = turned(d, product, phase.tensor);
    if (rotation === null) return [d];
    phases.set(expm.tensor, phase);
    const text = `${expm.tensor.name} is exp of a skew 2 x 2 matrix: a rotation of neighbouring features`;
    seen.push({ rewrite: 'rotations', applied: true, tensor: d.tensor.name, span: d.span, text });
    return known === undefined ? [phase, rotation] : [rotation];
  });
  return seen.length === 0 ? { program, seen } : { program: withDefinitions(program, definitions), seen };
};

/** M[1, 0] over all axes of the exponential but row and column. */
function phaseOf(expm: BlockProduct['expm'], made: Made, name: string): Definition {
  const generator = made.get(expm.input);
  if (generator?.kind !== 'map') throw new Error(`'${expm.input.name}' is no map`);
  const [row, column] = generator.tensor.axes.slice(-2) as [Axis, Axis];
  const { axes, by } = freshAxes(generator.tensor.axes.slice(0, -2));
  const at10 = new Map<Axis, Scalar>([...by, [row, integer(1)], [column, integer(0)]]);
  return map(defined(name, axes), substitute(generator.body, at10), expm.span);
}
