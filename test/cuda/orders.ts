// A runner that runs a task on a device in several orders of blocks and threads and wants the same bits of each.

import { expect } from 'vitest';
import type { Ran, Runner, Task } from '../../src/verify/run.ts';
import { withEnvironment } from './emulated.ts';

export const orders = ['forward', 'reverse', 'random:1'] as const;

const all = ({ outputs, gradients }: Ran): readonly (readonly [string, ArrayLike<number>])[] => [
  ...[...outputs].map(([name, values]) => [name, values] as const),
  ...[...gradients].map(([name, values]) => [`d_${name}`, values] as const),
];

/** Names of tensors with a number that differs in its bits, with the first place. */
export function differences(a: Ran, b: Ran): readonly string[] {
  const others = new Map(all(b));
  return all(a).flatMap(([name, values]) => {
    const other = others.get(name) ?? [];
    const at = Array.from({ length: values.length }, (_, n) => n).find((n) => !Object.is(values[n], other[n]));
    return at === undefined ? [] : [`${name}[${at}]: ${values[at]} and ${other[at]}`];
  });
}

export function inAllOrders(runner: Runner): Runner {
  return async (task: Task) => {
    const ran: Ran[] = [];
    for (const order of orders) ran.push(await withEnvironment({ PEGEN_EMULATE_ORDER: order }, () => runner(task)));
    for (const [at, each] of ran.entries()) expect(differences(ran[0]!, each), orders[at]).toEqual([]);
    return ran[0]!;
  };
}
