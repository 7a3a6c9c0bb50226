// Equal tables of several layers have one buffer; tables that differ, or bear other names, have their own.

import { expect, it } from 'vitest';
import { wholeBuffer } from '../../src/trainer/store.ts';
import { sharedTables } from '../../src/trainer/tables.ts';

it('equal tables are uploaded once', () => {
  const made: string[] = [];
  const upload = sharedTables((name, data) => {
    made.push(name);
    return wholeBuffer({ label: name, bytes: data.byteLength } as never, 'f32');
  });
  const angles = Float32Array.of(1, NaN, 3);
  const first = upload('angle', angles);
  expect(upload('angle', Float32Array.from(angles))).toBe(first);
  expect(upload('angle', Float32Array.of(1, NaN, 4))).not.toBe(first);
  expect(upload('angle', Float32Array.of(1, NaN))).not.toBe(first);
  expect(upload('angle', Int32Array.of(1, 2, 3))).not.toBe(first);
  expect(upload('other', angles)).not.toBe(first);
  expect(upload('angle', Float32Array.of(1, NaN, 4))).not.toBe(first);
  expect(made).toEqual(['angle', 'angle', 'angle', 'angle', 'other']);
});
