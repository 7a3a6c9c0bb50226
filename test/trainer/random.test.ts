// Philox against the published known answers, and the streams built on it.
import { describe, expect, it } from 'vitest';
import { philox, stream } from '../../src/trainer/random.ts';

const hex = (words: readonly number[]): string => words.map((word) => word.toString(16).padStart(8, '0')).join(' ');

describe('philox 4x32-10', () => {
  const ones = 0xffffffff;
  it.each([
    [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [[ones, ones, ones, ones], [ones, ones], '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ] as const)('known answer %#', (counter, key, answer) => {
    expect(hex(philox(counter, key))).toBe(answer);
  });
});

describe('streams', () => {
  it('are functions of seed, name and place', () => {
    const value = stream(7, 'W').uniform(3, 1, 0);
    expect(stream(7, 'W').uniform(3, 1, 0)).toBe(value);
    const others = [
      stream(8, 'W').uniform(3, 1, 0),
      stream(7 + 2 ** 32, 'W').uniform(3, 1, 0),
      stream(7, 'V').uniform(3, 1, 0),
      stream(7, 'W').uniform(4, 1, 0),
      stream(7, 'W').uniform(3, 2, 0),
      stream(7, 'W').uniform(3, 1, 1),
    ];
    expect(new Set([value, ...others]).size).toBe(others.length + 1);
  });

  it('has the moments of a normal distribution', () => {
    const { normal } = stream(1, 'moments');
    const values = Array.from({ length: 20000 }, (_, n) => normal(n));
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.04);
  });

  it('reaches every number below a bound and no other', () => {
    const { below } = stream(5, 'order');
    const seen = new Set(Array.from({ length: 500 }, (_, n) => below(7, n)));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
});
