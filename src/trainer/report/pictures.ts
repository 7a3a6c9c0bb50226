// What an encoding says about positions, as heat maps: the cosine of its phases by token and pair, the score that equal
// tokens would get by query and key, and what it adds to the embedding. From the float64 interpreter, with the trained
// values of its learned tensors.

import { evaluateInitial, interpret } from '../../interpret/interpret.ts';
import { defined, map, program as makeProgram } from '../../ir/build.ts';
import type { Program, Tensor } from '../../ir/ir.ts';
import { dead } from '../../passes/dead.ts';
import type { LayerEncoding } from '../encoding.ts';
import { positionValues } from '../encoding.ts';
import { stream } from '../random.ts';
import { pngUri } from './png.ts';

export interface Picture {
  readonly title: string;
  readonly caption: string;
  readonly rows: number;
  readonly columns: number;
  readonly rowName: string;
  readonly columnName: string;
  readonly low: number;
  readonly high: number;
  readonly image: string; // data URI
}

export interface PictureInputs {
  readonly tokens: number;
  /** x of some text at the first layer, [tokens, model]. */
  readonly x: ArrayLike<number>;
  /** Of the same tokens, before the encoding, [tokens, model]. */
  readonly embedding: ArrayLike<number>;
  /** Learned tensors of the layer by the encoding's names. */
  readonly learned: Readonly<Record<string, ArrayLike<number>>>;
}

export type Cell = (row: number, column: number) => number | null;

/** What a picture shows, not yet painted. */
export interface Drawing {
  readonly shows: 'phases' | 'scores' | 'embedding';
  readonly title: string;
  readonly caption: string;
  readonly size: readonly [rows: number, columns: number];
  readonly names: readonly [row: string, column: string];
  readonly cell: Cell;
}

export interface DrawingInputs {
  readonly tokens: number;
  /** Values of the programs' inputs by name; queries and keys that are missing are 1, the rest 0. */
  readonly values: Readonly<Record<string, ArrayLike<number>>>;
}

type Programs = Pick<LayerEncoding, 'attend' | 'embed'>;

const mostHeads = 4;

export function pictures(layer: LayerEncoding, { tokens, x, embedding, learned }: PictureInputs): readonly Picture[] {
  const values = { x, embedding, ...positionValues(layer, tokens), ...learned };
  return drawings(layer, { tokens, values }).map(picture);
}

/** Equal queries and keys (all ones), nothing in the values: what is left is the encoding. */
export function drawings(programs: Programs, inputs: DrawingInputs): readonly Drawing[] {
  const inAttention = behindSites(programs, inputs);
  const { embedding: _, ...others } = inputs.values;
  return [
    ...phaseDrawings(programs, inAttention),
    ...scoreDrawings(programs, inAttention),
    ...embeddingDrawings(programs, { ...inputs, values: others }),
  ];
}

/** With the embedding as attention is given it, where there is one. */
function behindSites({ embed }: Programs, inputs: DrawingInputs): DrawingInputs {
  const result = embed?.results.get('embedding_encoded');
  if (!embed || result === undefined || inputs.values['embedding'] === undefined) return inputs;
  const embedding = run(dead(makeProgram({ ...embed, results: { result } })), inputs).get(result.name)!;
  return { ...inputs, values: { ...inputs.values, embedding } };
}

function run(program: Program, inputs: DrawingInputs): ReadonlyMap<string, Float64Array> {
  const sizes = { batch: 1, tokens: inputs.tokens };
  const count = (tensor: Tensor): number =>
    tensor.axes.reduce(
      (n, { extent }) => n * (typeof extent === 'number' ? extent : extent === 'batch' ? 1 : sizes.tokens),
      1,
    );
  const values: Record<string, ArrayLike<number>> = { ...inputs.values };
  for (const tensor of program.inputs) {
    if (tensor.name in values) continue;
    if (tensor.origin.kind === 'draw') {
      let drawn = 0;
      values[tensor.name] = evaluateInitial(tensor, () => stream(1, tensor.name).uniform(drawn++), sizes);
      continue;
    }
    const fill = tensor.name === 'query' || tensor.name === 'key' ? 1 : 0;
    values[tensor.name] = new Float64Array(count(tensor)).fill(fill);
  }
  return interpret(program, sizes, values);
}

function phaseDrawings({ attend }: Programs, inputs: DrawingInputs): Drawing[] {
  const turn = attend.definitions.find((d) => d.kind === 'rotate');
  if (turn?.kind !== 'rotate') return [];
  const phase = defined('phase_to_draw', [...turn.tensor.axes.slice(0, -1), turn.pair]); // [b, t, h, p]
  const drawn = makeProgram({
    name: attend.name,
    inputs: attend.inputs,
    definitions: [...attend.definitions, map(phase, turn.phase)],
    results: { phase },
  });
  const values = run(dead(drawn), inputs).get(phase.name)!;
  const [heads, pairs] = [turn.tensor.axes[2]!.extent as number, turn.pair.extent as number];
  const cells =
    (head: number): Cell =>
    (t, p) =>
      Math.cos(values[(t * heads + head) * pairs + p]!);
  return distinctHeads(heads, (head) => values.filter((_, n) => Math.floor(n / pairs) % heads === head)).map(
    (head, n, all) => ({
      shows: 'phases',
      title: all.length === 1 ? 'Phases' : `Phases, head ${head}`,
      caption: n === 0 ? 'Cosine of the angle by which each pair of features turns at each token.' : '',
      size: [inputs.tokens, pairs],
      names: ['token', 'pair'],
      cell: cells(head),
    }),
  );
}

function scoreDrawings({ attend }: Programs, inputs: DrawingInputs): Drawing[] {
  const score = attend.results.get('score');
  if (score === undefined) return [];
  const only = makeProgram({ ...attend, results: { score } });
  const values = run(dead(only), inputs).get(score.name)!;
  const heads = score.axes[1]!.extent as number;
  const T = inputs.tokens;
  return distinctHeads(heads, (head) => values.subarray(head * T * T, (head + 1) * T * T)).map((head, n, all) => ({
    shows: 'scores',
    title: all.length === 1 ? 'Scores' : `Scores, head ${head}`,
    caption:
      n === 0 ? 'The score before the softmax if every query and key were the same: what the encoding alone says.' : '',
    size: [T, T],
    names: ['query', 'key'],
    cell: (i, j) => (j <= i ? values[(head * T + i) * T + j]! : null),
  }));
}

function embeddingDrawings({ embed }: Programs, inputs: DrawingInputs): Drawing[] {
  const result = embed?.results.get('embedding_encoded');
  if (!embed || result === undefined) return [];
  const only = makeProgram({ ...embed, results: { result } });
  const values = run(dead(only), inputs).get(result.name)!;
  const width = result.axes[2]!.extent as number;
  return [
    {
      shows: 'embedding',
      title: 'Added to the embedding',
      caption: 'What each token is given by its position.',
      size: [inputs.tokens, width],
      names: ['token', 'feature'],
      cell: (t, m) => values[t * width + m]!,
    },
  ];
}

/** Heads to draw: one where all are the same, else the first few. */
function distinctHeads(heads: number, valuesOf: (head: number) => ArrayLike<number>): number[] {
  const first = valuesOf(0);
  const same = (head: number): boolean => {
    const other = valuesOf(head);
    return Array.from(first).every((value, n) => value === other[n]);
  };
  const all = Array.from({ length: heads }, (_, head) => head);
  return all.every(same) ? [0] : all.slice(0, mostHeads);
}

function picture({ title, caption, size: [rows, columns], names, cell }: Drawing): Picture {
  let [low, high] = [Infinity, -Infinity];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const value = cell(row, column);
      if (value === null || !Number.isFinite(value)) continue;
      [low, high] = [Math.min(low, value), Math.max(high, value)];
    }
  }
  const pixels = new Uint8Array(rows * columns * 4);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const value = cell(row, column);
      if (value === null || !Number.isFinite(value)) continue; // transparent
      const share = high > low ? (value - low) / (high - low) : 0.5;
      pixels.set([...colour(share), 255], (row * columns + column) * 4);
    }
  }
  const image = pngUri(columns, rows, pixels);
  return { title, caption, rows, columns, rowName: names[0], columnName: names[1], low, high, image };
}

/** From deep blue over teal to warm yellow, rising in lightness, so that it reads without colour too. */
const stops: readonly (readonly [number, number, number])[] = [
  [32, 22, 74],
  [44, 74, 140],
  [30, 128, 142],
  [82, 176, 112],
  [248, 224, 92],
];

export function colour(share: number): readonly [number, number, number] {
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const below = Math.min(Math.floor(place), stops.length - 2);
  const [from, to] = [stops[below]!, stops[below + 1]!];
  const mixed = from.map((value, n) => Math.round(value + (to[n]! - value) * (place - below)));
  return mixed as unknown as readonly [number, number, number];
}
