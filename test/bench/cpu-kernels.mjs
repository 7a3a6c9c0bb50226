// The CPU's kernels that move memory, beside what the machine copies: encodings forward and backward, layer norm, GELU, AdamW,
// on tensors larger than the cache. Prints bytes over time of each, as a share of the copy rate measured in the same run.
//
//   node test/bench/cpu-kernels.mjs [--threads 2] [--batch 8] [--tokens 1024] [--heads 12] [--head-dim 64] [--repeat 25] [--only carope] [--json]

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: flags } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    batch: { type: 'string', default: '8' },
    tokens: { type: 'string', default: '1024' },
    heads: { type: 'string', default: '12' },
    'head-dim': { type: 'string', default: '64' },
    repeat: { type: 'string', default: '25' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    dist: { type: 'string', default: fileURLToPath(new URL('../../dist', import.meta.url)) },
  },
});
const from = (path) => import(join(flags.dist, path));
const { buildPlan } = await from('codegen/plan/build-plan.js');
const { evaluateSize, product } = await from('codegen/plan/size.js');
const { parse } = await from('grammar/index.js');
const { check } = await from('src/check/check.js');
const { lower } = await from('src/lower/lower.js');
const { targetPlan } = await from('src/options.js');
const ir = await from('src/ir/build.js');
const scalars = await from('src/ir/scalar.js');
const { layerNorm } = await from('src/trainer/ops/layer-norm.js');
const { update } = await from('src/trainer/ops/optimizer.js');
const { wasm } = await from('targets/wasm/printer.js');
const { openCpu } = await from('targets/wasm/device/index.js');

const number = (name) => Number(flags[name]);
const [batch, tokens, heads, headDim] = ['batch', 'tokens', 'heads', 'head-dim'].map(number);
const width = heads * headDim;
let sizes = { batch, tokens, keys: tokens, first: 0, capacity: tokens };
const device = await openCpu({ threads: number('threads') });
const examples = fileURLToPath(new URL('../../examples', import.meta.url));

// ---- what is measured

function encoding(name) {
  const files = [];
  const take = (path) => {
    const { file } = parse(readFileSync(join(examples, path), 'utf8'), path);
    files.push(file);
    for (const other of file.imports) take(join(dirname(path), other.path));
  };
  take(`${name}.pe`);
  const geometry = {
    heads,
    kv_heads: heads,
    head_dim: headDim,
    model_dim: width,
    context: tokens,
    layers: 1,
    layer: 0,
  };
  return lower(
    check(files, null, { geometry, params: {} }, () => {}),
    () => {},
  ).attend;
}

const axes = (...last) => [ir.axis('b', 'batch', 'batch'), ir.axis('t', 'tokens', 'token'), ...last];
const pointwise = (name, body) => {
  const own = axes(ir.axis('m', width, 'model'));
  const x = ir.given('x', own, 'operand');
  const output = ir.map(ir.defined('output', own), body(ir.readAt(x)));
  return ir.program({ name, inputs: [x], definitions: [output], results: { output: output.tensor } });
};
const norm = () => {
  const m = ir.axis('m', width, 'model');
  const x = ir.given('x', axes(m), 'operand');
  const [gain, shift] = ['gain', 'shift'].map((name) => ir.given(name, [ir.axis('m', width, 'model')], 'operand'));
  const { out, definitions } = layerNorm('output', x, gain, shift);
  return ir.program({ name: 'layer_norm', inputs: [x, gain, shift], definitions, results: { output: out } });
};

const isOf =
  (...kinds) =>
  ({ kernel }) =>
    kernel.definitions.some(({ kind, tensor }) => kinds.some((each) => each === kind || each === tensor.name));
const all = () => true;
const given = ['query', 'key'];
const learnedOf = (program) => program.inputs.filter(({ type }) => type === 'real').map(({ name }) => name);
/** Title, program, entry, which of its launches, options of the plan. */
const cases = [
  ['copy by a kernel', () => pointwise('copy', (x) => x), 'forward', all, {}],
  // What a kernel that only writes can reach at most: a line of memory is read before it is written.
  ['stores alone', () => pointwise('fill', () => scalars.call('real', scalars.size('first'))), 'forward', all, {}],
  ['GELU', () => pointwise('gelu', (x) => ir.call('gelu', x)), 'forward', all, {}],
  ['layer norm', norm, 'forward', all, {}],
  ['AdamW', () => update(24000), 'forward', all, {}],
  ...['rope', 'rope_interleaved', 'rope_learned', 'carope'].flatMap((name) => [
    [`${name}, rotate`, () => encoding(name), 'forward', isOf('rotate'), {}],
    [`${name}, rotate in place`, () => encoding(name), 'forward', isOf('rotate'), { inPlace: given }],
    [`${name}, rotate back`, () => encoding(name), 'backward', isOf('rotate'), {}],
  ]),
  ['rope_learned, gradient of the angle', () => encoding('rope_learned'), 'backward', isOf('d_phase', 'd_theta'), {}],
  ['carope, whole forward', () => encoding('carope'), 'forward', isOf('rotate', 'phase'), { inPlace: given }],
  ['carope, whole backward', () => encoding('carope'), 'backward', isOf('rotate', 'd_phase_carry', 'd_f'), {}],
  ['carope, phases', () => encoding('carope'), 'forward', isOf('phase'), {}],
  ['carope, gradient of the phases', () => encoding('carope'), 'backward', isOf('d_phase_carry', 'd_phase'), {}],
  ['carope, gradient of the frequencies', () => encoding('carope'), 'backward', isOf('d_f', 'd_f_sum'), {}],
];

// ---- measuring

const generated = (plan) => ({
  name: plan.name,
  language: 'wasm',
  source: plan.name,
  bindings: plan.bindings,
  product: null,
  variants: plan.variants.map(({ body, groups }) => ({
    profile: 'software',
    workgroup: 1,
    code: wasm.kernel(body, ''),
    groups: (at) => evaluateSize(groups, at),
    scratch: (at) => {
      const whole = (bytes) => Math.ceil(bytes / 16) * 16;
      const arrays = body.arrays.map(({ type, size }) => whole(size * (type.endsWith('x4') ? 16 : 4)));
      const own = (body.scratch ?? []).map(({ size }) => whole(4 * evaluateSize(size, at)));
      return [...arrays, ...own].reduce((sum, each) => sum + each, 0);
    },
  })),
});

/** Bytes that no cache holds. */
const largest = 96e6;

const random = Float32Array.from({ length: 1 << 20 }, (_, n) => Math.sin(n * 12.9898) * 0.9);
// Frequencies lie in (0, 1): powers of others are numbers below 2^-126, which take longer (a fifth, measured).
const frequencies = random.map((value) => 0.5 + 0.45 * value);
const held = new Map();
/** One buffer for each name of a plan; they are given back after it. */
function bufferOf({ name, shape, type }) {
  const elements = Math.max(64, evaluateSize(product(shape), sizes));
  const known = held.get(name);
  if (known !== undefined) return known;
  const storage = device.allocate(elements * 4, name);
  const values = name === 'f' ? frequencies : random;
  if (type === 'f32')
    for (let at = 0; at < elements; at += random.length)
      device.write(storage, at * 4, values.subarray(0, Math.min(random.length, elements - at)));
  const made = { name, elements, type, storage, offset: 0 };
  held.set(name, made);
  return made;
}

/** Milliseconds of what is recorded, the best of runs of several launches each: engines make code better only after some of them. */
async function best(build) {
  const together = 8;
  const again = (tape) => {
    for (let n = 0; n < together; n += 1) build(tape);
  };
  const recorded = await device.record(again, sizes);
  const times = [];
  for (let n = 0; n < number('repeat') + 1; n += 1) times.push(((await device.elapsed(recorded)) * 1000) / together);
  device.release(recorded);
  return Math.min(...times.slice(1));
}

async function copyRate() {
  const bytes = largest;
  const [a, b] = ['a', 'b'].map((name) => {
    const storage = device.allocate(bytes, name);
    return { name, elements: bytes / 4, type: 'f32', storage, offset: 0 };
  });
  const ms = await best((tape) => tape.copy(a, b));
  [a, b].forEach(({ storage }) => device.free(storage));
  return (2 * bytes) / ms / 1e6;
}

const rows = [];
const show = (title, megabytes, ms, rate, copy) => {
  rows.push({ title, megabytes, milliseconds: ms, gigabytesPerSecond: rate, ofCopy: rate / copy });
  if (flags.json) return;
  console.log(
    `${title.padEnd(44)} ${megabytes.toFixed(1).padStart(8)} MB ${ms.toFixed(2).padStart(8)} ms` +
      ` ${rate.toFixed(1).padStart(6)} GB/s ${((100 * rate) / copy).toFixed(0).padStart(4)} %`,
  );
};

if (!flags.json)
  console.log(`${device.description}; batch ${batch}, tokens ${tokens}, heads ${heads}, head_dim ${headDim}`);
let copy = await copyRate();
show('memory.copy', (2 * largest) / 1e6, (2 * largest) / copy / 1e6, copy, copy);
for (const [title, make, entry, isWanted, options] of cases) {
  if (!/^(copy|stores)/.test(title) && !title.includes(flags.only)) continue;
  const program = make();
  const backward = program.results.has('output') && /rope/.test(title);
  const gradients = backward ? learnedOf(program) : [];
  const outputs = [...program.results.keys()].filter((name) => !backward || name === 'output');
  const plan = buildPlan(program, { ...targetPlan('wasm', 'f32'), blockwise: false, gradients, outputs, ...options });
  const launches = plan.entries.find(({ name }) => name === entry).launches.filter(isWanted);
  // As many sequences as make it larger than any cache.
  const bytesAt = (at) => launches.reduce((sum, { kernel }) => sum + evaluateSize(kernel.cost.bytes, at), 0);
  const small = { ...sizes, batch };
  sizes = { ...small, batch: batch * Math.min(8, Math.ceil(largest / bytesAt(small))) };
  let [bytes, ms] = [bytesAt(sizes), 0];
  for (const { kernel, buffers } of launches) {
    const bound = buffers.map(bufferOf);
    const made = generated(kernel);
    ms += await best((tape) => tape.launch(made, bound));
  }
  for (const { storage } of held.values()) device.free(storage);
  held.clear();
  const rate = bytes / ms / 1e6;
  if (title.startsWith('copy')) copy = Math.max(copy, rate);
  show(title, bytes / 1e6, ms, rate, copy);
}
await device.close();
if (flags.json) console.log(JSON.stringify({ device: device.description, rows }));
