// Layer norm of each token's vector (Ba et al. 2016), with gain and bias: [B, T, C] -> [B, T, C].

import { call, real } from '../../ir/build.ts';
import type { Axis, Tensor } from '../../ir/ir.ts';
import { mapped, point, summed } from './axes.ts';
import type { Part } from './axes.ts';

export const epsilon = 1e-5; // GPT-2's

export function layerNorm(name: string, x: Tensor, gain: Tensor, bias: Tensor): Part {
  const [batch, token, model] = x.axes as [Axis, Axis, Axis];
  const width = real(model.extent as number);
  const value = point(x, batch, token, model);
  const total = summed(`${name}_total`, [batch, token], [model], value);
  const mean = mapped(`${name}_mean`, [batch, token], call('divide', point(total.out, batch, token), width));
  const centre = point(mean.out, batch, token);
  // The sum of squares is least at the mean, so no gradient flows through the mean here.
  const aside = call('subtract', value, call('detach', centre));
  const squares = summed(`${name}_squares`, [batch, token], [model], call('multiply', aside, aside));
  const variance = call('divide', point(squares.out, batch, token), width);
  const scale = call('divide', real(1), call('sqrt', call('add', variance, real(epsilon))));
  const inverse = mapped(`${name}_inverse`, [batch, token], scale);
  const centred = call('subtract', value, centre);
  const unit = mapped(`${name}_unit`, x.axes, call('multiply', centred, point(inverse.out, batch, token)));
  const scaled = call('multiply', point(unit.out, batch, token, model), point(gain, model));
  const out = mapped(name, x.axes, call('add', scaled, point(bias, model)));
  return {
    out: out.out,
    definitions: [total, mean, squares, inverse, unit, out].flatMap((part) => part.definitions),
  };
}
