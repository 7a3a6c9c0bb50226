// Loss curves as inline SVG: steps across, loss up, one line a run, colours from the page's variables.

import { escapeHtml } from './escape.ts';

export interface Line {
  readonly name: string;
  readonly points: readonly { readonly step: number; readonly loss: number }[];
}

const size = { width: 860, height: 340, left: 54, right: 18, top: 16, bottom: 40 };

/** About `count` round numbers that span low to high. */
export function ticks(low: number, high: number, count: number): number[] {
  const raw = Math.max((high - low) / count, 1e-12);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10) * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, n) => Number(((first + n) * step).toPrecision(12)));
}

export function lossChart(lines: readonly Line[]): string {
  const all = lines.flatMap(({ points }) => points);
  if (all.length === 0) return '';
  const [low, high] = [Math.min(...all.map(({ loss }) => loss)), Math.max(...all.map(({ loss }) => loss))];
  const margin = Math.max((high - low) * 0.06, 1e-3);
  const [bottom, top] = [low - margin, high + margin];
  const last = Math.max(...all.map(({ step }) => step));
  const { width, height, left, right } = size;
  const x = (step: number): number => left + (step / last) * (width - left - right);
  const y = (loss: number): number => size.top + ((top - loss) / (top - bottom)) * (height - size.top - size.bottom);
  const at = (value: number): string => value.toFixed(1);
  const rules = ticks(bottom, top, 6).map(
    (loss) =>
      `<line class="rule" x1="${left}" x2="${width - right}" y1="${at(y(loss))}" y2="${at(y(loss))}"/>` +
      `<text x="${left - 8}" y="${at(y(loss) + 4)}" text-anchor="end">${loss}</text>`,
  );
  const marks = ticks(0, last, 8).map(
    (step) => `<text x="${at(x(step))}" y="${height - size.bottom + 20}" text-anchor="middle">${step}</text>`,
  );
  const paths = lines.map(({ name, points }, n) => {
    const path = points.map(({ step, loss }, k) => `${k === 0 ? 'M' : 'L'}${at(x(step))} ${at(y(loss))}`).join('');
    return `<path class="line line-${n % 6}" d="${path}"><title>${escapeHtml(name)}</title></path>`;
  });
  return [
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="training loss by step">`,
    ...rules,
    ...marks,
    `<text x="${at((left + width - right) / 2)}" y="${height - 4}" text-anchor="middle">step</text>`,
    ...paths,
    '</svg>',
  ].join('\n');
}
