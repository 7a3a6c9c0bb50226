// Two encodings written in the tensor IR by hand, as modules that the interpreter runs: rope, and learned absolute
// positions. The trainer's tests need no parser and no kernels.
import { attentionInput, attentionWeights, causal, pairAxes, products } from '../../src/attention/compose.ts';
import { scaledScore, weightedValues } from '../../src/attention/compose.ts';
import type { AttentionSizes } from '../../src/attention/compose.ts';
import {
  at,
  axis,
  call,
  defined,
  given,
  learned,
  map,
  program,
  read,
  readAt,
  real,
  rotate,
} from '../../src/ir/build.ts';
import type { Definition, Program, Tensor } from '../../src/ir/ir.ts';
import type { LayerEncoding } from '../../src/trainer/encoding.ts';
import { interpretedModule, sideBySide } from './interpreted.ts';

const position = (): Tensor => given('position', [axis('t', 'tokens', 'token')], 'position', 'integer');

function turned(name: string, input: Tensor, places: Tensor, dim: number): Definition {
  const pair = axis('p', dim / 2, 'pair');
  const theta = call('power', real(10000), call('divide', call('multiply', real(-2), at(pair)), real(dim)));
  const phase = call('multiply', read(places, [at(input.axes[1]!)]), theta);
  return rotate(defined(name, input.axes), { input, phase, pair });
}

function attend(sizes: AttentionSizes, rotates: boolean): Program {
  const inputs = (['query', 'key', 'value'] as const).map((kind) => attentionInput(kind, sizes));
  const [query, key, value] = inputs as [Tensor, Tensor, Tensor];
  const places = position();
  const turns = rotates
    ? [turned('query_encoded', query, places, sizes.head_dim), turned('key_encoded', key, places, sizes.head_dim)]
    : [];
  const product = products('products', turns[0]?.tensor ?? query, turns[1]?.tensor ?? key, sizes);
  const score = scaledScore('score', product.tensor, sizes);
  const axes = pairAxes(sizes);
  const [, head, i, j] = axes.map(at) as [never, ReturnType<typeof at>, ReturnType<typeof at>, ReturnType<typeof at>];
  const weights = attentionWeights('attention', score.tensor, axes, causal({ head, query: i, key: j }));
  const out = weightedValues('output', weights.tensor, value, sizes);
  return program({
    name: rotates ? 'rope' : 'plain',
    inputs: rotates ? [...inputs, places] : inputs,
    definitions: [...turns, product, score, weights, out],
    results: { output: out.tensor, score: score.tensor },
  });
}

const attendOptions = { outputs: ['output'], gradients: ['query', 'key', 'value'], seeds: ['output'] };

export function rope(sizes: AttentionSizes): LayerEncoding {
  const forward = attend(sizes, true);
  return {
    attend: forward,
    embed: null,
    input: null,
    module: sideBySide(interpretedModule(forward, attendOptions), sizes),
  };
}

export function learnedAbsolute(sizes: AttentionSizes, context: number): LayerEncoding {
  const forward = attend(sizes, false);
  const [place, model] = [axis('n', context), axis('m', sizes.model_dim, 'model')];
  const initial = call('normal', real(0), real(0.02));
  const E = learned('E', [place, model], { shared: false, trained: true, initial });
  const embedding = attentionInput('embedding', sizes);
  const places = position();
  const row = call('min', read(places, [at(embedding.axes[1]!)]), call('floor', real(context - 1)));
  const sum = call('add', readAt(embedding), read(E, [row, at(embedding.axes[2]!)], 0));
  const out = map(defined('embedding_encoded', embedding.axes), sum);
  const embed = program({
    name: 'learned_absolute',
    inputs: [embedding, places, E],
    definitions: [out],
    results: { embedding_encoded: out.tensor },
  });
  const options = {
    outputs: ['embedding_encoded'],
    seeds: ['embedding_encoded'],
    gradients: ['embedding', 'E'],
    accumulate: ['E'],
  };
  const names = { forward: 'embed', backward: 'embed_backward' } as const;
  const embedModule = interpretedModule(embed, options, {}, names);
  const module = interpretedModule(forward, attendOptions, {
    ...(embedModule.embed === undefined ? {} : { embed: embedModule.embed }),
    ...(embedModule.embed_backward === undefined ? {} : { embed_backward: embedModule.embed_backward }),
    entries: embedModule.entries,
    learned: [
      {
        name: 'E',
        shape: [context, sizes.model_dim],
        shared: false,
        trained: true,
        initial: (random) => Float64Array.from({ length: context * sizes.model_dim }, (_, n) => random(n, 0) - 0.5),
      },
    ],
  });
  return { attend: forward, embed, input: null, module: sideBySide(module, sizes) };
}
