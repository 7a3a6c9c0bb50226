// Sums by id: programs of them, ids of which most are of one row and some of none, and their places sorted by id.

import { at, axis, call, defined, given, program, read, readAt, scatter } from '../../src/ir/build.ts';
import type { Program } from '../../src/ir/ir.ts';
import { segmentsOf } from '../../src/trainer/segments.ts';
import { randomValues } from './check-plan.ts';

const rows = 7;

/** output[ids[b, t], m] += x[b, t, m] * y[b, t] */
export function sumsById(width: number): Program {
  const [b, t, m] = [axis('b', 'batch', 'batch'), axis('t', 'tokens', 'token'), axis('m', width, 'model')];
  const ids = given('ids', [b, t], 'operand', 'integer');
  const x = given('x', [b, t, m], 'operand');
  const y = given('y', [b, t], 'operand');
  const index = [readAt(ids), at(m)];
  const body = call('multiply', readAt(x), readAt(y));
  const made = defined('output', [axis('row', rows), axis('m', width, 'model')]);
  const results = { output: made };
  return program({ name: 'sums', inputs: [ids, x, y], definitions: [scatter(made, [b, t, m], index, body)], results });
}

/** The table of an embedding has this gradient. */
export function lookup(width: number): Program {
  const [b, t, m] = [axis('b', 'batch', 'batch'), axis('t', 'tokens', 'token'), axis('m', width, 'model')];
  const ids = given('ids', [b, t], 'operand', 'integer');
  const table = given('table', [axis('row', rows), axis('m', width, 'model')], 'operand');
  const made = defined('output', [b, t, m]);
  const definition = { tensor: made, span: null, adjointOf: null, kind: 'map' as const };
  const body = read(table, [readAt(ids), at(m)], 0);
  return program({
    name: 'lookup',
    inputs: [ids, table],
    definitions: [{ ...definition, body }],
    results: { output: made },
  });
}

/** Most places are of one id; some of none of the rows. */
export const skewed = (count: number): Int32Array =>
  Int32Array.from(randomValues(count, 3), (value) =>
    value < 0.6 ? 2 : value < 0.7 ? rows + 1 : value < 0.75 ? -1 : Math.floor(value * rows),
  );

export const sortedIds = (ids: Int32Array): Record<string, Int32Array> => {
  const { order, start } = segmentsOf(ids, rows);
  return { ids, ids_order: order, ids_start: start };
};
