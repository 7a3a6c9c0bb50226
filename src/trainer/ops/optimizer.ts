// AdamW with decoupled decay (Loshchilov and Hutter 2019), and clipping by the gradient's norm, over flat pools of
// parameters: [rows, 256] elements, so that partial sums run side by side and their order is fixed by the shape.

import { axis, call, given, integer, program, read, readAt, real, size } from '../../ir/build.ts';
import type { Axis, Program, Scalar, Tensor } from '../../ir/ir.ts';
import { batchAxis, mapped, point, summed } from './axes.ts';

export const rowLength = 256;

/** What the host writes before each step, in this order. */
export const updateScalars = [
  'rate',
  'decay',
  'momentum', // beta 1
  'memory', // beta 2
  'momentum_correction', // 1 - beta1^step
  'memory_correction', // 1 - beta2^step
  'epsilon',
] as const;

const pool = (name: string, axes: readonly Axis[]): Tensor => given(name, axes, 'operand');

/** gradient [rows, 256] -> squares: the sum of their squares. */
export function squares(rows: number): Program {
  const [row, column] = [axis('row', rows), axis('column', rowLength)];
  const gradient = pool('gradient', [row, column]);
  const value = readAt(gradient);
  const partial = summed('row_squares', [row], [column], call('multiply', value, value));
  const total = summed('squares', [], [row], readAt(partial.out));
  return program({
    name: 'squares',
    inputs: [gradient],
    definitions: [...partial.definitions, ...total.definitions],
    results: { squares: total.out },
  });
}

/** norm: the length of the whole gradient; clip: what it is multiplied by so that it is at most `limit` long. */
export function clip(): Program {
  const [decayed, plain, limit] = ['decayed_squares', 'plain_squares', 'limit'].map((name) => pool(name, [])) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const norm = mapped('norm', [], call('sqrt', call('add', readAt(decayed), readAt(plain))));
  const ratio = call('divide', readAt(limit), call('add', readAt(norm.out), real(1e-6)));
  const factor = mapped('clip', [], call('min', real(1), ratio));
  return program({
    name: 'clip',
    inputs: [decayed, plain, limit],
    definitions: [...norm.definitions, ...factor.definitions],
    results: { norm: norm.out, clip: factor.out },
  });
}

/** One step of AdamW for a pool; each result takes its input's place. `parameter_narrow`: the new value, to be stored as bf16. */
export function update(rows: number): Program {
  const [row, column] = [axis('row', rows), axis('column', rowLength)];
  const [parameter, gradient, first, second] = ['parameter', 'gradient', 'first', 'second'].map((name) =>
    pool(name, [row, column]),
  ) as [Tensor, Tensor, Tensor, Tensor];
  const scalars = pool('scalars', [axis('scalar', updateScalars.length)]);
  const factor = pool('clip', []);
  const scalar = (name: (typeof updateScalars)[number]): Scalar =>
    read(scalars, [integer(updateScalars.indexOf(name))]);
  const value = (tensor: Tensor): Scalar => point(tensor, row, column);
  const rest = (name: 'momentum' | 'memory'): Scalar => call('subtract', real(1), scalar(name));
  const slope = call('multiply', value(gradient), readAt(factor));
  const blend = (old: Tensor, name: 'momentum' | 'memory', fresh: Scalar): Scalar =>
    call('add', call('multiply', scalar(name), value(old)), call('multiply', rest(name), fresh));
  const firstAfter = mapped('first_after', [row, column], blend(first, 'momentum', slope));
  const secondAfter = mapped('second_after', [row, column], blend(second, 'memory', call('multiply', slope, slope)));
  const mean = call('divide', value(firstAfter.out), scalar('momentum_correction'));
  const spread = call('sqrt', call('divide', value(secondAfter.out), scalar('memory_correction')));
  const step = call('divide', mean, call('add', spread, scalar('epsilon')));
  const shrink = call('multiply', scalar('decay'), value(parameter));
  const moved = call('multiply', scalar('rate'), call('add', step, shrink));
  const after = mapped('parameter_after', [row, column], call('subtract', value(parameter), moved));
  const narrow = mapped('parameter_narrow', [row, column], value(after.out));
  return program({
    name: 'update',
    inputs: [parameter, gradient, first, second, scalars, factor],
    definitions: [firstAfter, secondAfter, after, narrow].flatMap((part) => part.definitions),
    results: {
      first_after: firstAfter.out,
      second_after: secondAfter.out,
      parameter_after: after.out,
      parameter_narrow: narrow.out,
    },
  });
}

/** Adds a micro-batch's mean loss, and the last gradient norm, to what the host reads now and then. */
export function tally(): Program {
  const [sum, loss] = ['sum', 'loss'].map((name) => pool(name, [])) as [Tensor, Tensor];
  const after = mapped('sum_after', [], call('add', readAt(sum), readAt(loss)));
  return program({
    name: 'tally',
    inputs: [sum, loss],
    definitions: after.definitions,
    results: { sum_after: after.out },
  });
}

/** The same of what a layer adds to the loss: the mean over sequences. */
export function tallyAdded(): Program {
  const sum = pool('sum', []);
  const added = pool('added', [batchAxis()]);
  const sequence = batchAxis();
  const total = summed('added_total', [], [sequence], point(added, sequence));
  const mean = call('divide', readAt(total.out), call('real', size('batch')));
  const after = mapped('sum_after', [], call('add', readAt(sum), mean));
  return program({
    name: 'tally_added',
    inputs: [sum, added],
    definitions: [...total.definitions, ...after.definitions],
    results: { sum_after: after.out },
  });
}
