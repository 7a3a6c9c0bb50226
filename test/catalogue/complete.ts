// Runs a table of properties, and fails for an entry of the named families that has none.

import { describe, expect, it } from 'vitest';
import { entries } from '../../src/catalogue/entries.ts';
import type { Property } from './claims.ts';

export function runProperties(families: readonly string[], properties: readonly Property[]): void {
  const names = [...new Set(properties.map(({ entry }) => entry))];
  it(`every entry of ${families.join(', ')} has a property, and every property an entry`, () => {
    const all = entries();
    const own = all.filter(({ family }) => families.includes(family)).map(({ name }) => name);
    expect(own.filter((name) => !names.includes(name))).toEqual([]);
    expect(names.filter((name) => !all.some((entry) => entry.name === name))).toEqual([]);
  });
  describe.each(names)('%s', (name) => {
    it.each(properties.filter(({ entry }) => entry === name))('$says', ({ holds }) => holds());
  });
}
