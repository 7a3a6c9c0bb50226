// What a run's numbers look like in a terminal: no line over 80 columns, nothing lost in wrapping, curves that fall.
import { describe, expect, it } from 'vitest';
import { resultsTable, sparkline, wrapped } from '../../src/cli/results.ts';
import type { RunSummary } from '../../src/trainer/report/report.ts';

const run = (name: string, rows: number | null): RunSummary => ({
  name,
  source: '',
  curve: [],
  finalLoss: 1.75312,
  evaluations: [64, 128, 256].map((tokens) =>
    rows !== null && tokens > rows
      ? { kind: 'out of reach', tokens, rows }
      : { kind: 'measured', tokens, windows: 4, loss: 2, perplexity: tokens / 8 },
  ),
  tokensPerSecond: 19_400,
  parameters: { model: 1, encoding: rows === null ? 0 : 8192 },
  sample: '',
  pictures: [],
});

it('the table fits 80 columns, and says where a table of positions ends', () => {
  const text = resultsTable([run('rope', null), run('learned_absolute', 64)]);
  expect(text).toMatchInlineSnapshot(`
    "training loss; perplexity of held-out text in windows of 64, 128 and 256
    tokens; speed; parameters added

    encoding            loss  at 64  at 128   at 256   tokens/s   adds
    rope              1.7531   8.00  16.00    32.00      19,400      0
    learned_absolute  1.7531   8.00  64 rows  64 rows    19,400  8,192

    learned_absolute: its table has 64 rows, and no positions beyond them"
  `);
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
});

describe('wrapping', () => {
  it('breaks at spaces, and long words where it must', () => {
    expect(wrapped('one two three', 8)).toBe('one two\nthree');
    expect(wrapped('abcdefghij kl', 4)).toBe('abcd\nefgh\nij\nkl');
    expect(wrapped('ab\n\ncd', 4)).toBe('ab\n\ncd');
    expect(wrapped('exactly8', 8)).toBe('exactly8');
  });

  it('loses nothing but the spaces where it breaks', () => {
    const text = 'the people of the United States, and their Congress, are  in session again '.repeat(4);
    expect(wrapped(text, 20).replaceAll('\n', ' ')).toBe(text);
    expect(
      Math.max(
        ...wrapped(text, 20)
          .split('\n')
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(20);
  });
});

it('a curve falls from the highest block to the lowest', () => {
  expect(sparkline([4, 3, 2, 1], 4)).toBe('█▆▃▁');
  expect(sparkline([1, 1], 8)).toBe('▁▁');
  expect(
    sparkline(
      Array.from({ length: 100 }, (_, n) => -n),
      10,
    ),
  ).toHaveLength(10);
  expect(sparkline([], 4)).toBe('');
});
