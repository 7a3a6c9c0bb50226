// A matrix product over the last axes of a token's tensor, plus bias, and what is done to each element after it:
// [B, T, in...] x [in..., out...] -> [B, T, out...].

import { call } from '../../ir/build.ts';
import type { Axis, Scalar, Tensor } from '../../ir/ir.ts';
import { mapped, point, summed } from './axes.ts';
import type { Part } from './axes.ts';

/** `after` sees the sum with its bias at [batch, token, ...out]. */
export function linear(
  name: string,
  x: Tensor,
  matrix: Tensor,
  bias: Tensor | null,
  after: (value: Scalar, axes: readonly Axis[]) => Scalar = (value) => value,
): Part {
  const outer = x.axes.slice(0, 2); // [B, T]
  const inner = x.axes.slice(2);
  const made = matrix.axes.slice(inner.length);
  const axes = [...outer, ...made];
  const body = call('multiply', point(x, ...x.axes), point(matrix, ...inner, ...made));
  const product = summed(bias === null ? name : `${name}_product`, axes, inner, body);
  if (bias === null) return product;
  const value = call('add', point(product.out, ...axes), point(bias, ...made));
  const out = mapped(name, axes, after(value, axes));
  return { out: out.out, definitions: [...product.definitions, ...out.definitions] };
}
