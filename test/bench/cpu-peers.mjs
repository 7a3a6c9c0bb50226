// Matrix products by other packages for Node, each row [m, k] x [k, n] in GFLOP/s, the best of many: tfjs with its WebAssembly
// backend, jax-js with its own (both are one thread in Node), onnxruntime-node on all cores. Prints JSON.
//
//   node test/bench/cpu-peers.mjs --folder /path/to/node_modules --shapes 768x128x384,512x768x3072 --threads 2

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values: flags } = parseArgs({
  options: {
    folder: { type: 'string', default: '' },
    shapes: { type: 'string', default: '768x128x384' },
    threads: { type: 'string', default: '2' },
    milliseconds: { type: 'string', default: '300' },
    peers: { type: 'string', default: 'tfjs-wasm,jax-js,onnxruntime-node' },
  },
});
const require = createRequire(flags.folder === '' ? import.meta.url : join(flags.folder, '..', 'package.json'));
const shapes = flags.shapes.split(',').map((each) => each.split('x').map(Number));
const random = (count) => Float32Array.from({ length: count }, () => Math.random() - 0.5);

/** GFLOP/s of the fastest run. */
async function rate([m, k, n], run) {
  for (let warm = 0; warm < 2; warm += 1) await run();
  const start = performance.now();
  let best = Infinity;
  for (let count = 0; count < 3 || performance.now() - start < Number(flags.milliseconds); count += 1) {
    const before = performance.now();
    await run();
    best = Math.min(best, performance.now() - before);
  }
  return (2e-6 * m * k * n) / best;
}

const peers = {
  async 'tfjs-wasm'() {
    const tf = require('@tensorflow/tfjs-core');
    const { version_wasm: version } = require('@tensorflow/tfjs-backend-wasm');
    await tf.setBackend('wasm');
    await tf.ready();
    const multiply = async ([m, k, n]) => {
      const [a, b] = [tf.tensor2d(random(m * k), [m, k]), tf.tensor2d(random(k * n), [k, n])];
      const made = await rate([m, k, n], () => tf.matMul(a, b).dispose());
      tf.dispose([a, b]);
      return made;
    };
    return { version, threads: 1, multiply };
  },
  async 'jax-js'() {
    const main = require.resolve('@jax-js/jax');
    const { version } = require(join(main.slice(0, main.lastIndexOf('@jax-js')), '@jax-js/jax/package.json'));
    const { init, defaultDevice, numpy } = await import(pathToFileURL(main.replace(/\.cjs$/, '.js')).href);
    await init('wasm');
    defaultDevice('wasm');
    const multiply = async ([m, k, n]) => {
      const a = numpy.array(random(m * k)).reshape([m, k]);
      const b = numpy.array(random(k * n)).reshape([k, n]);
      const made = await rate([m, k, n], async () => {
        const c = numpy.matmul(a.ref, b.ref);
        await c.blockUntilReady();
        c.dispose();
      });
      [a, b].forEach((each) => each.dispose());
      return made;
    };
    return { version, threads: 1, multiply };
  },
  async 'onnxruntime-node'() {
    const { InferenceSession, Tensor, env } = require('onnxruntime-node');
    const { gemmModel } = await import('../../dist/targets/wasm/device/products/gemm-model.js');
    const model = gemmModel({ transA: false, transB: false, scale: 1, accumulate: false });
    const session = await InferenceSession.create(model, { intraOpNumThreads: Number(flags.threads) });
    const multiply = async ([m, k, n]) => {
      const [A, B] = [new Tensor('float32', random(m * k), [m, k]), new Tensor('float32', random(k * n), [k, n])];
      const Y = new Tensor('float32', new Float32Array(m * n), [m, n]);
      return rate([m, k, n], () => session.run({ A, B }, { Y }));
    };
    return { version: env.versions.node ?? '', threads: Number(flags.threads), multiply };
  },
};

const made = [];
for (const peer of flags.peers.split(',')) {
  try {
    const { version, threads, multiply } = await peers[peer]();
    const rates = [];
    for (const shape of shapes) rates.push(await multiply(shape));
    made.push({ peer, version, threads, rates });
  } catch (error) {
    made.push({ peer, error: error.message.split('\n')[0] });
  }
}
console.log(JSON.stringify({ shapes: flags.shapes.split(','), peers: made }));
process.exit(0); // runtimes of peers keep the process alive
