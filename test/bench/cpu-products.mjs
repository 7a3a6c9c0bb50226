// Matrix products of the CPU target: GFLOP/s by shape and by how the factors lie, on one thread, beside what multiplication and
// addition of registers alone reach on this machine, in one run. `npm run build` first.
//
//   node test/bench/cpu-products.mjs [--shapes 768x128x384,512x768x2304] [--seconds 0.2] [--rounds 5] [--no-fused]
//   node test/bench/cpu-products.mjs --threads 2           through the device, by the clock on the wall
//
// A shape is tokens x inputs x outputs: x W is [tokens, inputs] [inputs, outputs]; `dx` is what comes back through W, and
// `dW` what W gets.

import { parseArgs } from 'node:util';
import { buildPlan } from '../../dist/codegen/plan/build-plan.js';
import { evaluateSize } from '../../dist/codegen/plan/size.js';
import { at, axis, defined, given, call, program, read, reduce } from '../../dist/src/ir/build.js';
import { compileProgram } from '../../dist/src/compile.js';
import { loadModule } from '../../dist/src/load-module.js';
import { targetPlan } from '../../dist/src/options.js';
import { wholeSequence } from '../../dist/targets/device.js';
import { fused, hasFused } from '../../dist/targets/wasm/device/fused.js';
import { openCpu } from '../../dist/targets/wasm/device/index.js';
import { encodeModule } from '../../dist/targets/wasm/encode.js';
import { moduleOf } from '../../dist/targets/wasm/module.js';

const { values: flags } = parseArgs({
  options: {
    shapes: {
      type: 'string',
      default: '768x128x128,768x128x384,768x128x512,768x512x128,512x512x512,512x768x2304,512x768x3072,512x3072x768',
    },
    seconds: { type: 'string', default: '0.2' },
    rounds: { type: 'string', default: '5' },
    kinds: { type: 'string', default: 'x W,dx,dW' },
    'no-fused': { type: 'boolean', default: false },
    threads: { type: 'string', default: '1' },
  },
});

/** One product: two of the three matrices in, the third out. */
function product(kind, inputs, outputs) {
  const axes = { b: axis('b', 'batch'), t: axis('t', 'tokens'), i: axis('i', inputs), o: axis('o', outputs) };
  const matrices = { x: ['b', 't', 'i'], w: ['i', 'o'], y: ['b', 't', 'o'] };
  const [left, right, out] = { 'x W': 'xwy', dx: 'ywx', dW: 'xyw' }[kind];
  const over = { 'x W': ['i'], dx: ['o'], dW: ['b', 't'] }[kind];
  const input = (name) =>
    given(
      name,
      matrices[name].map((n) => ({ ...axes[n] })),
      'operand',
    );
  const [l, r] = [input(left), input(right)];
  const value = (tensor) =>
    read(
      tensor,
      matrices[tensor.name].map((n) => at(axes[n])),
    );
  const result = defined(
    'output',
    matrices[out].map((n) => axes[n]),
  );
  const sum = reduce(
    'sum',
    result,
    over.map((n) => axes[n]),
    call('multiply', value(l), value(r)),
  );
  return program({ name: 'product', inputs: [l, r], definitions: [sum], results: { output: result } });
}

const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
let used = 65536;
const take = (bytes) => {
  const from = used;
  used += Math.ceil(bytes / 4096) * 4096 + 64;
  const missing = Math.ceil((used - memory.buffer.byteLength) / 65536);
  if (missing > 0) memory.grow(missing);
  return from;
};

/** A launch list of one product: each entry runs all items of a kernel. */
function prepare(kind, [tokens, inputs, outputs]) {
  used = 65536;
  const plan = buildPlan(product(kind, inputs, outputs), { ...targetPlan('wasm', 'f32'), contract: 'always' });
  const sizes = { batch: 1, tokens, keys: tokens, first: 0, capacity: tokens };
  const at = new Map();
  const place = (buffer) => {
    if (!at.has(buffer.name)) {
      const elements = buffer.shape.reduce((all, size) => all * evaluateSize(size, sizes), 1);
      const from = take(4 * elements);
      new Float32Array(memory.buffer, from, elements).forEach((_, n, all) => (all[n] = Math.sin(n)));
      at.set(buffer.name, from);
    }
    return at.get(buffer.name);
  };
  const launches = plan.entries.find(({ name }) => name === 'forward').launches;
  return launches.map(({ kernel, buffers }) => {
    const [{ body, groups }] = kernel.variants;
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(codeOf(body)), {
      env: { memory },
    });
    const places = buffers.map(place);
    const scratch = take(
      (body.scratch ?? []).reduce((all, { size }) => all + 4 * evaluateSize(size, sizes) + 16, 0) +
        (body.arrays ?? []).reduce((all, { size }) => all + 16 * size + 16, 0),
    );
    const call = take(256);
    new Int32Array(memory.buffer, call, 5 + places.length).set([1, tokens, tokens, 0, tokens, ...places]);
    const items = evaluateSize(groups, sizes);
    return { items, run: () => exports.run(0, items, call, scratch) };
  });
}

const fuses = !flags['no-fused'] && hasFused();
const codeOf = (body) => (fuses ? fused(encodeModule(moduleOf(body))) : encodeModule(moduleOf(body)));

/** The best rate of several rounds, by the time that the process had the processor. */
function measure(run, flops) {
  const seconds = Number(flags.seconds);
  let best = 0;
  run();
  for (let round = 0; round < Number(flags.rounds); round += 1) {
    const before = process.cpuUsage();
    let times = 0;
    let microseconds = 0;
    while (microseconds < seconds * 1e6) {
      run();
      times += 1;
      const { user, system } = process.cpuUsage(before);
      microseconds = user + system;
    }
    best = Math.max(best, (flops * times) / microseconds / 1e3);
  }
  return best;
}

/** Twelve sums in registers, nothing but multiplied and added to: the bytes of a module with run(count). */
function registersOnly() {
  const sums = 12;
  const simd = (op) => [0xfd, ...(op < 128 ? [op] : [(op & 127) | 128, op >> 7])];
  const steps = Array.from({ length: sums }, (_, n) => [
    0x20,
    n + 1,
    0x20,
    13,
    ...simd(0xe6),
    0x20,
    14,
    ...simd(0xe4),
    0x21,
    n + 1,
  ]);
  const loop = [0x03, 0x40, ...steps.flat(), 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b];
  const keep = Array.from({ length: sums }, (_, n) => [0x20, n + 1]).flat();
  const sum = Array.from({ length: sums - 1 }, () => simd(0xe4)).flat();
  const one = [0x43, 0, 0, 0, 0x3f, ...simd(0x13)]; // 0.5
  const body = [1, 14, 0x7b, ...one, 0x21, 13, ...one, 0x21, 14, ...loop, ...keep, ...sum, ...simd(0x1f), 0, 0x0b];
  const section = (id, bytes) => [id, ...leb(bytes.length), ...bytes];
  const leb = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...leb(n >> 7)]);
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const module = [
    ...header,
    ...section(1, [1, 0x60, 1, 0x7f, 1, 0x7d]),
    ...section(3, [1, 0]),
    ...section(7, [1, 3, 0x72, 0x75, 0x6e, 0, 0]),
    ...section(10, [1, ...leb(body.length), ...body]),
  ];
  const { run } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(module))).exports;
  return { run: () => run(200_000), flops: 200_000 * sums * 8 };
}

/** The best rate of a product that the device runs, by the clock on the wall. */
async function onDevice(device, kind, [tokens, inputs, outputs], flops) {
  const made = product(kind, inputs, outputs);
  const module = await loadModule(
    await compileProgram(made, { contract: 'always' }, { target: 'wasm', precision: 'f32' }),
  );
  const sizes = wholeSequence(1, tokens);
  const elements = (parameter) => parameter.elements(sizes);
  const whole = (parameter) => ({
    name: parameter.name,
    elements: elements(parameter),
    type: 'f32',
    storage: device.allocate(4 * elements(parameter), parameter.name),
    offset: 0,
  });
  const buffers = Object.fromEntries(module.entries.forward.inputs.map((each) => [each.name, whole(each)]));
  for (const { storage, elements: count } of Object.values(buffers))
    device.write(
      storage,
      0,
      Float32Array.from({ length: count }, (_, n) => Math.sin(n)),
    );
  const recorded = await device.record((tape) => module.forward(tape, buffers), sizes);
  const { storage: any } = Object.values(buffers)[0];
  const times = Math.max(1, Math.round(2e8 / flops)); // some milliseconds
  let best = 0;
  const start = performance.now();
  while (performance.now() - start < Number(flags.seconds) * Number(flags.rounds) * 1000) {
    const before = performance.now();
    for (let n = 0; n < times; n += 1) device.run(recorded);
    await device.read(any, 0, 4);
    best = Math.max(best, (times * flops) / (performance.now() - before) / 1e6);
  }
  device.release(recorded);
  Object.values(buffers).forEach(({ storage }) => device.free(storage));
  return best;
}

const threads = Number(flags.threads);
const device = threads > 1 ? await openCpu({ threads, products: 'own', fused: !flags['no-fused'] }) : null;
const registers = registersOnly();
const peak = measure(registers.run, registers.flops);
console.log(
  `registers alone: ${peak.toFixed(1)} GFLOP/s on one thread; ${fuses ? 'products added in one instruction' : 'no relaxed SIMD'}`,
);
async function rateOf(kind, shape, flops) {
  if (device !== null) return `${kind} ${(await onDevice(device, kind, shape, flops)).toFixed(1).padStart(5)}`;
  const launches = prepare(kind, shape);
  const rate = measure(() => launches.forEach(({ run }) => run()), flops);
  return `${kind} ${rate.toFixed(1).padStart(5)} (${launches.map(({ items }) => items).join(' + ')} items)`;
}

for (const shape of flags.shapes.split(',').map((each) => each.split('x').map(Number))) {
  const flops = 2 * shape.reduce((all, each) => all * each, 1);
  const rates = [];
  for (const kind of flags.kinds.split(',')) rates.push(await rateOf(kind, shape, flops));
  console.log(`${shape.join(' x ').padEnd(20)} ${rates.join('   ')}`);
}
await device?.close();
