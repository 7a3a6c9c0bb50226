// What the CPU benchmark measures on pegen's own device: matrix products of all three kinds, and training steps. Open devices
// and sizes come in, GFLOP/s and tokens a second go out.

import { fileURLToPath } from 'node:url';

const dist = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);
const { readFile } = await import('node:fs/promises');
const { axis, at, call, defined, given, program, read, reduce } = await dist('src/ir/build.js');
const { programCompiler } = await dist('src/trainer/compile-encoding.js');
const { wholeSequence } = await dist('targets/device.js');

/** Products by what lies transposed: x W forward, dy W^T back, x^T dy for the weight. */
export const layouts = { nn: ['x', 'w', 'y'], nt: ['y', 'w', 'x'], tn: ['x', 'y', 'w'] };

/** tokens x inputs x outputs, so that the product of this layout is m x k x n. */
const sizesOf = (layout, [m, k, n]) => ({ nn: [m, k, n], nt: [m, n, k], tn: [k, m, n] })[layout];

function productProgram(layout, [, inputs, outputs]) {
  const axes = {
    b: axis('batch', 'batch', 'batch'),
    t: axis('token', 'tokens', 'token'),
    i: axis('in', inputs),
    o: axis('out', outputs),
  };
  const matrices = { x: ['b', 't', 'i'], w: ['i', 'o'], y: ['b', 't', 'o'] };
  const [left, right, out] = layouts[layout];
  const over = matrices[left].filter((name) => !matrices[out].includes(name));
  const [l, r] = [left, right].map((name) =>
    given(
      name,
      matrices[name].map((each) => ({ ...axes[each] })),
      'operand',
    ),
  );
  const value = (tensor) =>
    read(
      tensor,
      matrices[tensor.name].map((each) => at(axes[each])),
    );
  const result = defined(
    'made',
    matrices[out].map((each) => axes[each]),
  );
  const sum = reduce(
    'sum',
    result,
    over.map((each) => axes[each]),
    call('multiply', value(l), value(r)),
  );
  return program({ name: 'product', inputs: [l, r], definitions: [sum], results: { made: result } });
}

/** GFLOP/s of [m, k] x [k, n], the best of many; the list holds the product several times. */
export async function productRate(device, layout, shape, milliseconds) {
  const sizes = sizesOf(layout, shape);
  const plan = device.library ? { library: true } : {};
  const compile = programCompiler(undefined, plan, { target: 'wasm', precision: 'f32' });
  const module = await compile(productProgram(layout, sizes), { outputs: ['made'], gradients: [] });
  const entry = module.entries.forward;
  const whole = wholeSequence(1, sizes[0]);
  const held = [];
  const bufferOf = ({ name, elements, type }) => {
    const count = elements(whole);
    const storage = device.allocate(4 * count, name);
    held.push(storage);
    device.write(
      storage,
      0,
      Float32Array.from({ length: count }, (_, index) => Math.sin(index)),
    );
    return { name, elements: count, type, storage, offset: 0 };
  };
  const buffers = Object.fromEntries(entry.inputs.map((input) => [input.name, bufferOf(input)]));
  const flops = 2 * shape.reduce((product, each) => product * each, 1);
  const together = Math.min(64, Math.max(1, Math.round(2e8 / flops)));
  const recorded = await device.record((tape) => {
    for (let count = 0; count < together; count += 1) module.forward(tape, buffers);
  }, whole);
  let best = Infinity;
  const start = performance.now();
  for (let count = 0; count < 4 || performance.now() - start < milliseconds; count += 1) {
    best = Math.min(best, await device.elapsed(recorded));
  }
  device.release(recorded);
  held.forEach((storage) => device.free(storage));
  return (flops * together) / best / 1e9;
}

/** The models that are timed, in pegen's words and for PyTorch. */
export const models = {
  char: { layers: 4, heads: 4, width: 128, context: 64, batch: 12 },
  gpt2: { layers: 12, heads: 12, width: 768, context: 256, batch: 2, vocabulary: 50304 },
};

/** Tokens a second by the median and by the fastest of groups of steps. */
export async function trainingRate(device, model, seconds, together) {
  const { configure } = await dist('src/trainer/configuration.js');
  const { loadCorpus } = await dist('src/trainer/corpus.js');
  const { prepareData } = await dist('src/trainer/data.js');
  const { prepareModelOn } = await dist('src/trainer/prepare.js');
  const { train } = await dist('src/trainer/train.js');
  const configuration = configure({ ...models[model], steps: 100_000, report: together, checkpoint: 0, evaluate: 1 });
  const path = fileURLToPath(new URL('../../examples/rope.pe', import.meta.url));
  const source = { text: await readFile(path, 'utf8'), path: 'rope.pe' };
  const choice = { source, encoding: null, params: {} };
  const data = await prepareData(await loadCorpus(null), configuration);
  const prepared = await prepareModelOn(device, choice, configuration, data.tokenizer.size);
  const enough = new AbortController();
  const times = [];
  let [before, first, parameters, temporaries] = [0, 0, 0, 0];
  try {
    await train(device, prepared, {
      choice,
      configuration,
      data,
      folder: null,
      resume: null,
      signal: enough.signal,
      progress(event) {
        if (event.kind === 'started') ({ parameters, temporaries } = event);
        if (event.kind !== 'step') return;
        const now = performance.now();
        if (first === 0) first = now;
        else times.push((now - before) / together);
        before = now;
        if (times.length >= 3 && now - first > seconds * 1000) enough.abort();
      },
    });
  } finally {
    prepared.model.store.free();
  }
  const sorted = times.toSorted((a, b) => a - b);
  const [median, best] = [sorted[Math.floor(sorted.length / 2)], sorted[0]];
  const tokens = configuration.batch * configuration.context;
  return {
    milliseconds: median,
    bestMilliseconds: best,
    tokensPerSecond: (1000 * tokens) / median,
    bestTokensPerSecond: (1000 * tokens) / best,
    steps: times.length * together,
    parameters,
    temporaries,
    vocabulary: data.tokenizer.size,
  };
}
