// Sums by id in the simulator, against the interpreter: rows without places, rows longer than many pieces, ids that are no
// row's, every order of lanes; and the host's sorting against its definition.
import { describe, expect, it } from 'vitest';
import { segmentsOf } from '../../src/trainer/segments.ts';
import { checkCase } from './check-plan.ts';
import { lookup, skewed, sortedIds, sumsById } from './segment-programs.ts';

describe('sums by id', () => {
  it.each([
    [1, 1],
    [1, 63],
    [1, 64],
    [1, 65],
    [3, 150],
  ])('%i x %i places', (batch, tokens) => {
    const ids = skewed(batch * tokens);
    const { plan, worst, errors } = checkCase({ program: sumsById(5), batch, tokens, inputs: sortedIds(ids) });
    expect(plan.kernels.map(({ name }) => name)).toEqual(['output_partial', 'output']);
    expect(worst, JSON.stringify(errors)).toBeLessThan(3e-6);
  });

  it.each(['f32', 'bf16'] as const)('with wide accesses, of %s', (precision) => {
    const ids = skewed(3 * 100);
    const options = { gradients: ['table'], accumulate: ['table'], access: 16, lanes: 128, precision } as const;
    const asked = { program: lookup(24), batch: 3, tokens: 100, inputs: sortedIds(ids), options };
    const { plan, worst } = checkCase({ ...asked, orders: ['random'] });
    const wide = JSON.stringify(plan.kernels.filter(({ name }) => name.startsWith('d_table')));
    expect(wide).toContain('load-elements');
    expect(wide).toContain('store-elements');
    expect(worst).toBeLessThan(precision === 'f32' ? 3e-6 : 2 ** -8);
  });

  it.each([0, 6])('of one id alone, %i', (id) => {
    const ids = new Int32Array(300).fill(id);
    const { worst } = checkCase({
      program: sumsById(1),
      batch: 2,
      tokens: 150,
      inputs: sortedIds(ids),
      orders: ['random'],
    });
    expect(worst).toBeLessThan(3e-6);
  });

  it('are the gradient of a lookup, added to what is there', () => {
    const ids = skewed(2 * 100);
    const options = { gradients: ['table'], accumulate: ['table'] };
    const { plan, worst, errors } = checkCase({
      program: lookup(4),
      batch: 2,
      tokens: 100,
      inputs: sortedIds(ids),
      options,
    });
    const backward = plan.entries.find(({ name }) => name === 'backward')!;
    const names = backward.inputs.map(({ buffer }) => buffer.name);
    expect(names.toSorted()).toEqual(['d_output', 'd_table', 'ids', 'ids_order', 'ids_start']);
    expect(worst, JSON.stringify(errors)).toBeLessThan(3e-6);
  });
});

describe('the places of ids', () => {
  it('stand by id, then by place, those of no row last', () => {
    const ids = Int32Array.of(3, 1, 9, 1, 3, -2, 0);
    const { order, start } = segmentsOf(ids, 4);
    expect([...order]).toEqual([6, 1, 3, 0, 4, 2, 5]);
    expect([...start]).toEqual([0, 1, 3, 3, 5]);
  });

  it('are nowhere without ids', () => {
    expect([...segmentsOf(new Int32Array(0), 2).start]).toEqual([0, 0, 0]);
  });
});
