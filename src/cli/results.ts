// The numbers and samples of runs as text for a terminal of 80 columns.

import { enumerated, numberOf } from '../trainer/report/report.ts';
import type { RunSummary } from '../trainer/report/report.ts';
import { table } from './show.ts';

const columns = 78;

/** Loss, perplexity by window length, speed and parameters of each run, and why a number is missing. */
export function resultsTable(runs: readonly RunSummary[]): string {
  const lengths = runs[0]?.evaluations.map(({ tokens }) => tokens) ?? [];
  const header = ['encoding', 'loss', ...lengths.map((tokens) => `at ${tokens}`), 'tokens/s', 'adds'];
  const rows = runs.map((run) => [
    run.name,
    run.finalLoss.toFixed(4),
    ...run.evaluations.map((one) => (one.kind === 'measured' ? one.perplexity.toFixed(2) : `${one.rows} rows`)),
    numberOf(run.tokensPerSecond),
    numberOf(run.parameters.encoding),
  ]);
  const beyond = runs.flatMap(({ name, evaluations }) =>
    evaluations.flatMap((one) => (one.kind === 'out of reach' ? [{ name, ...one }] : [])),
  );
  const notes = [...new Map(beyond.map((one) => [one.name, one])).values()].map(
    ({ name, rows: count }) => `${name}: its table has ${count} rows, and no positions beyond them`,
  );
  return [
    `training loss; perplexity of held-out text in windows of ${enumerated(lengths.map(String))} tokens; speed; parameters added`,
    '',
    table([header, ...rows]),
    ...notes.flatMap((note, n) => (n === 0 ? ['', note] : [note])),
  ]
    .map((line) => (line.includes('  ') ? line : wrapped(line)))
    .join('\n');
}

/** Lines of at most `width` characters, broken at spaces where there are some. */
export function wrapped(text: string, width = columns): string {
  return text
    .split('\n')
    .flatMap((line) => {
      const lines: string[] = [];
      let rest = line;
      while (rest.length > width) {
        const space = rest.lastIndexOf(' ', width);
        const end = space > 0 ? space : width;
        lines.push(rest.slice(0, end));
        rest = rest.slice(space > 0 ? end + 1 : end);
      }
      return [...lines, rest];
    })
    .join('\n');
}

const blocks = '\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588'; // lower eighths

/** A curve in `width` characters, from its largest value to its smallest. */
export function sparkline(values: readonly number[], width: number): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const count = Math.min(width, values.length);
  return Array.from({ length: count }, (_, n) => {
    const value = values[Math.floor((n * (values.length - 1)) / Math.max(1, count - 1))]!;
    const level = high > low ? (value - low) / (high - low) : 0;
    return blocks[Math.min(blocks.length - 1, Math.floor(level * blocks.length))];
  }).join('');
}
