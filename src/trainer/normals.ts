// Many normal numbers fast: a tensor's initial values from a seed and a name. Marsaglia and Tsang's ziggurat (2000) with 128
// layers over xoshiro128++ (Blackman and Vigna 2019), whose state Philox fills. Some 8 ns a number, where a GPT-2 has 124 million.

import { stream } from './random.ts';

const layers = 128;
const right = 3.442619855899; // where the tail begins
const area = 9.91256303526217e-3; // of each layer, and of the lowest with the tail

const density = (x: number): number => Math.exp(-0.5 * x * x);

/** edges[i]: how far layer i reaches; layer 0 is as wide as a rectangle of its area would be. */
function layerEdges(): Float64Array {
  const edges = new Float64Array(layers + 1);
  edges[0] = area / density(right);
  edges[1] = right;
  for (let i = 2; i < layers; i += 1) {
    edges[i] = Math.sqrt(-2 * Math.log(area / edges[i - 1]! + density(edges[i - 1]!)));
  }
  return edges; // the last is 0
}

/** The state of the generator: four words, never all 0. */
function stateOf(seed: number, name: string): Int32Array {
  const { below } = stream(seed, name);
  const state = Int32Array.from([0, 1, 2, 3], (word) => below(4294967296, word) | 0);
  if (state.every((word) => word === 0)) state[0] = 1;
  return state;
}

/** `count` numbers of mean 0, a function of seed and name. */
export function normals(seed: number, name: string, count: number, deviation = 1): Float32Array {
  let [a, b, c, d] = stateOf(seed, name) as unknown as [number, number, number, number];
  const edges = layerEdges();
  const heights = edges.map(density);
  const values = new Float32Array(count);
  let n = 0;
  let rejected = 0; // the draw that the next words decide about: 0 none, 1 at the edge of a layer, 2 in the tail
  let [x, layer, beyond] = [0, 0, 0];
  let half = false; // of the tail's two words
  // One loop over words, so that the state stays in registers.
  while (n < count) {
    const sum = (a + d) | 0;
    const bits = (((sum << 7) | (sum >>> 25)) + a) | 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    if (rejected === 0) {
      layer = bits & (layers - 1);
      x = ((bits >> 7) / 16777216) * edges[layer]!; // 25 bits, in [-1, 1)
      if (Math.abs(x) < edges[layer + 1]!) values[n++] = deviation * x;
      else rejected = layer === 0 ? 2 : 1;
      continue;
    }
    const unit = ((bits >>> 0) + 0.5) / 4294967296; // in (0, 1)
    if (rejected === 1) {
      const height = heights[layer]! + unit * (heights[layer + 1]! - heights[layer]!);
      if (height < density(x)) values[n++] = deviation * x;
      rejected = 0;
    } else if (half) {
      if (-2 * Math.log(unit) > beyond * beyond) {
        values[n++] = deviation * (x < 0 ? -right - beyond : right + beyond);
        rejected = 0;
      }
      half = false;
    } else {
      beyond = -Math.log(unit) / right;
      half = true;
    }
  }
  return values;
}
