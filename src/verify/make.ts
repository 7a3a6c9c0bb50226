// A case from the interpreter: random inputs by seed, the outputs of attention with an encoding, and its gradients.
// What a user's own implementation is then held against.

import type { CheckedEncoding } from '../check/checked.ts';
import { hasGradient } from '../compile.ts';
import type { Program, Tensor } from '../ir/ir.ts';
import { normals, uniformFrom } from '../laws/random.ts';
import { isPosition, isTraining, sampleInputs } from '../laws/sample.ts';
import type { Case, CaseSizes, Values } from './case.ts';
import { reference, seedValues, shapeOf, valuesOf } from './run.ts';

export interface MakeCaseOptions {
  readonly batch: number;
  readonly tokens: number;
  readonly seed: number;
  /** In a training step; outside by default. */
  readonly training?: boolean;
  /** Numbers that are taken from there instead, as far as it has them. */
  readonly like?: Case;
}

/** Of attention alone; `program` may be any that makes an `output`. */
export async function makeCase(
  encoding: Pick<CheckedEncoding, 'name' | 'geometry'>,
  program: Program,
  options: MakeCaseOptions,
): Promise<Case> {
  const { heads, kv_heads, head_dim, model_dim, context, layers, bidirectional = false } = encoding.geometry;
  const { batch, tokens, seed, like, training = false } = options;
  const sizes: CaseSizes = { B: batch, T: tokens, heads, kv_heads, head_dim, model_dim, context, layers };
  const sample = sampleInputs(program, { seed, batch, tokens, learned: 'around', positions: 'range', training });
  const inputs = Object.fromEntries(
    program.inputs.map((tensor): [string, ArrayLike<number>] => {
      const known = like === undefined ? null : valuesOf(tensor, like);
      const own = sample.inputs[tensor.name]!;
      return [tensor.name, known?.values.data.length === own.length ? known.values.data : own];
    }),
  );
  const values = (tensor: Tensor, data: ArrayLike<number>): Values => ({ shape: shapeOf(tensor.axes, sizes), data });

  const output = program.results.get('output')!;
  const cotangent = values(output, normals(uniformFrom(seed + 1), count(shapeOf(output.axes, sizes))));
  const gradients = program.inputs.filter(hasGradient).map(({ name }) => name);
  const outputs = [...program.results].filter(([name, tensor]) => name !== 'attention' && isMade(tensor));
  const ran = await reference({
    program,
    sizes: sample.sizes,
    inputs,
    seeds: seedValues(program, batch, cotangent.data),
    outputs: outputs.map(([name]) => name),
    gradients,
  });
  const byName = new Map(program.inputs.map((tensor) => [tensor.name, tensor]));
  const notLearned = program.inputs.filter(({ origin }) => origin.kind !== 'learned');
  return {
    name: encoding.name,
    source: `pegen's float64 interpreter, seed ${seed}`,
    sizes,
    training,
    bidirectional,
    inputs: Object.fromEntries(
      notLearned.flatMap((tensor) => inputEntry(tensor, values(tensor, inputs[tensor.name]!))),
    ),
    learned: Object.fromEntries(
      program.inputs
        .filter(({ origin }) => origin.kind === 'learned')
        .map((tensor) => [tensor.name, values(tensor, inputs[tensor.name]!)]),
    ),
    outputs: Object.fromEntries(outputs.map(([name, tensor]) => [name, values(tensor, ran.outputs.get(name)!)])),
    cotangent,
    gradients: Object.fromEntries([...ran.gradients].map(([name, data]) => [name, values(byName.get(name)!, data)])),
    embedding: null,
  };
}

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Positions from 0 are what everybody has; coordinates are written. */
function inputEntry(tensor: Tensor, values: Values): [string, Values][] {
  if (isTraining(tensor)) return []; // the case says it
  if (!isPosition(tensor)) return [[tensor.name, values]];
  return tensor.axes.length === 1 && tensor.type === 'integer' ? [] : [['coordinates', values]];
}

/** Numbers that the encoding makes; an input is in the case already. */
const isMade = ({ origin, type }: Tensor): boolean => origin.kind === 'defined' && type === 'real';
