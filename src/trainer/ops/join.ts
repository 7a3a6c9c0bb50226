// Two gradients of the embedding [B, T, C], through the blocks and from what encodings read of it -> their sum, in the place of
// the first.

import { call, program, readAt } from '../../ir/build.ts';
import type { Program } from '../../ir/ir.ts';
import { mapped, stream } from './axes.ts';
import type { Sizes } from './sizes.ts';

export function join({ width }: Pick<Sizes, 'width'>): Program {
  const [a, b] = [stream('stream', width), stream('shortcut', width)];
  const sum = mapped('joined', a.axes, call('add', readAt(a), readAt(b, a.axes)));
  return program({
    name: 'join',
    inputs: [a, b],
    definitions: sum.definitions,
    results: { joined: sum.out },
  });
}
