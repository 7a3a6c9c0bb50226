// An encoding's program -> a small SVG: on the left what it does to positions (phases, what joins the embedding, else
// scores), on the right the score of equal queries and keys over their distance, a line a head. From the float64
// interpreter, with initial values and everything random from one seed.

import { initialValues, countOf, isPosition, isTraining } from '../laws/sample.ts';
import { normals, uniformFrom } from '../laws/random.ts';
import type { Tensor } from '../ir/ir.ts';
import type { Lowered } from '../lower/lower.ts';
import { colour, drawings, type Drawing } from '../trainer/report/pictures.ts';

const tokens = 24;
const side = 96; // of a panel, in pixels
const shades = 9;
const mostColumns = 24;
const lineColours = ['#3b4cc0', '#1e808e', '#52b070', '#c9a227'];

export function pictureOf({ attend, embed }: Lowered): string {
  const values: Record<string, Float64Array> = {};
  for (const program of [embed, attend]) {
    if (program === null) continue;
    Object.assign(values, initialValues(program, { batch: 1, tokens }, uniformFrom(1)));
    for (const tensor of program.inputs) {
      const { origin } = tensor;
      if (isPosition(tensor)) values[tensor.name] = grid(tensor);
      else if (isTraining(tensor)) values[tensor.name] = Float64Array.of(0);
      else if (origin.kind === 'given' && ['embedding', 'x', 'user'].includes(origin.given))
        values[tensor.name] ??= normals(uniformFrom(2), countOf(tensor, 1, tokens));
    }
  }
  const all = drawings({ attend, embed }, { tokens, values });
  const map = ['embedding', 'phases', 'scores'].flatMap((kind) => all.filter(({ shows }) => shows === kind))[0];
  const scores = embed !== null && map?.shows === 'embedding' ? [] : all.filter(({ shows }) => shows === 'scores');
  const panels = [...(map === undefined ? [] : [heat(map)]), ...(scores.length === 0 ? [] : [curves(scores)])];
  const width = panels.length * side + (panels.length - 1) * 8;
  const placed = panels.map((panel, n) => `<g transform="translate(${n * (side + 8)})">\n${panel}\n</g>\n`);
  const heading = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${side}" width="${width}" height="${side}">`;
  return `${heading}\n${placed.join('')}</svg>\n`;
}

/** Tokens count 0, 1, 2, ...; with several coordinates they are patches of a small image, row by row. */
function grid(tensor: Tensor): Float64Array {
  const coordinates = countOf(tensor, 1, 1);
  const width = coordinates === 1 ? Infinity : Math.ceil(tokens ** (1 / coordinates));
  const one = (t: number, k: number): number =>
    coordinates === 1 ? t : Math.floor(t / width ** (coordinates - 1 - k)) % width;
  return Float64Array.from({ length: tokens * coordinates }, (_, n) =>
    one(Math.floor(n / coordinates), n % coordinates),
  );
}

/** Rounding that does not depend on the last bits of a number. */
const steady = (value: number): number => Math.floor(value + 0.5 + 1e-6);

const hex = (share: number): string =>
  `#${colour(share)
    .map((value) => value.toString(16).padStart(2, '0'))
    .join('')}`;

/** One path a shade, of horizontal strokes: a run of cells is one stroke. */
function heat({ size: [rows, all], cell, title, names }: Drawing): string {
  const every = Math.ceil(all / mostColumns);
  const columns = Math.ceil(all / every);
  const at = (row: number, column: number): number | null => cell(row, column * every);
  const [low, high] = span(rows, columns, at);
  const paths = Array.from({ length: shades }, () => '');
  for (let row = 0; row < rows; row += 1) {
    let last = -1;
    let length = 0;
    const flush = (end: number): void => {
      if (last >= 0) paths[last] += `M${end - length} ${row}h${length}`;
    };
    for (let column = 0; column <= columns; column += 1) {
      const value = column < columns ? at(row, column) : null;
      const shade =
        value === null || !Number.isFinite(value) ? -1 : steady(((value - low) / (high - low || 1)) * (shades - 1));
      if (shade !== last) {
        flush(column);
        [last, length] = [shade, 0];
      }
      length += 1;
    }
  }
  const strokes = paths.flatMap((path, n) =>
    path === '' ? [] : [`<path stroke="${hex(n / (shades - 1))}" d="${path}"/>`],
  );
  const scale = `scale(${(side / columns).toFixed(3)} ${(side / rows).toFixed(3)}) translate(0 .5)`;
  return `<title>${title}: ${names[0]} down, ${names[1]} across</title>\n<g transform="${scale}">\n${strokes.join('\n')}\n</g>`;
}

function span(rows: number, columns: number, at: Drawing['cell']): readonly [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (let row = 0; row < rows; row += 1)
    for (let column = 0; column < columns; column += 1) {
      const value = at(row, column);
      if (value === null || !Number.isFinite(value)) continue;
      [low, high] = [Math.min(low, value), Math.max(high, value)];
    }
  return [low, high];
}

/** The last query's scores, the nearest key on the left. */
function curves(scores: readonly Drawing[]): string {
  const lines = scores.map(({ cell }) => Array.from({ length: tokens }, (_, n) => cell(tokens - 1, tokens - 1 - n)!));
  const finite = lines.flat().filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const y = (value: number): number =>
    high - low < 1e-9 ? side / 2 : 4 + steady(((high - value) / (high - low)) * (side - 8));
  const x = (n: number): number => 2 + 4 * n;
  const drawn = lines.map((line, head) => {
    const points = line.flatMap((value, n) => (Number.isFinite(value) ? [`${x(n)} ${y(value)}`] : []));
    return `<path fill="none" stroke="${lineColours[head % lineColours.length]!}" stroke-width="1.5" d="M${points.join('L')}"/>`;
  });
  return `<title>Score by distance, a line a head</title>\n${drawn.join('\n')}`;
}
