// The CPU benchmark: matrix products, the encodings' kernels and training steps, beside PyTorch and other packages for Node
// where they are installed, in one run on one machine. Prints what was asked next to what was measured.
//
//   npm run bench:cpu                                   everything; some minutes
//   npm run bench:cpu -- --only char,products --json    parts of it
//
// PEGEN_PYTHON names a Python with PyTorch, PEGEN_PEERS a node_modules with @jax-js/jax, @tensorflow/tfjs-backend-wasm or
// onnxruntime-node; PEGEN_PRODUCTS, PEGEN_ONNXRUNTIME and PEGEN_BLAS say which library multiplies for pegen.

import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { layouts, models, productRate, trainingRate } from './cpu-device.mjs';

const parts = ['products', 'kernels', 'char', 'gpt2'];
const { values: flags } = parseArgs({
  options: {
    threads: { type: 'string', default: String(availableParallelism()) },
    only: { type: 'string', default: parts.join(',') },
    shapes: {
      type: 'string',
      default: '128x128x128,768x128x384,768x128x512,768x512x128,512x768x768,512x768x2304,512x768x3072,512x3072x768',
    },
    seconds: { type: 'string', default: '10' },
    milliseconds: { type: 'string', default: '300' },
    python: { type: 'string', default: process.env['PEGEN_PYTHON'] ?? 'python3' },
    peers: { type: 'string', default: process.env['PEGEN_PEERS'] ?? '' },
    'no-peers': { type: 'boolean', default: false },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  console.log(`npm run bench:cpu -- [flags]

  --threads 2            of pegen and of PyTorch (as many as the machine runs at once)
  --only ${parts.join(',')}
  --shapes 768x128x384   m x k x n of the products
  --seconds 10           for each model
  --milliseconds 300     for each product
  --python python3       with PyTorch; also PEGEN_PYTHON
  --peers FOLDER         node_modules with other packages; also PEGEN_PEERS
  --no-peers             pegen alone
  --out FOLDER           writes NAME.json and NAME.md there, by the name of the CPU
  --json                 prints JSON`);
  process.exit(0);
}

const dist = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);
const { chosenProducts, openCpu } = await dist('targets/wasm/device/index.js');
const { productProbe } = await dist('src/cli/cpu-products.js');
const run = promisify(execFile);
const wants = (part) => flags.only.split(',').includes(part);
const threads = Number(flags.threads);
const seconds = Number(flags.seconds);
const shapes = flags.shapes.split(',').map((each) => each.split('x').map(Number));
const script = (name) => fileURLToPath(new URL(name, import.meta.url));

async function timed(what, work) {
  if (!flags.json) console.error(`${what} ...`);
  return work();
}
async function json(program, args) {
  try {
    const { stdout } = await run(program, args, { maxBuffer: 2 ** 28 });
    return JSON.parse(stdout.trim().split('\n').at(-1));
  } catch (error) {
    return { error: (error.stderr || error.message).trim().split('\n').at(-1) };
  }
}
const peersAreWanted = !flags['no-peers'];
const python = (args) => json(flags.python, [script('python/gpt_cpu.py'), '--threads', flags.threads, ...args]);

// ---- the machine, and who multiplies

const own = () => openCpu({ threads, products: 'own' });
const { found, why } = await chosenProducts({ probe: productProbe() });
const library = found?.description ?? null;
const withLibrary = () => openCpu({ threads, probe: productProbe() });
async function on(open, work) {
  const device = await open();
  try {
    return await work(device);
  } finally {
    await device.close();
  }
}
const kernels = wants('kernels')
  ? await timed('the encodings', () =>
      json(process.execPath, [script('cpu-kernels.mjs'), '--threads', flags.threads, '--json']),
    )
  : null;
const registers = wants('products')
  ? await run(process.execPath, [
      script('cpu-products.mjs'),
      '--shapes',
      '64x64x64',
      '--kinds',
      'dW',
      '--seconds',
      '0.1',
      '--rounds',
      '3',
    ]).then(
      ({ stdout }) => Number(/registers alone: ([0-9.]+)/.exec(stdout)?.[1] ?? NaN),
      () => NaN,
    )
  : null;

// ---- products

const products = [];
if (wants('products')) {
  const peers = peersAreWanted
    ? await timed('products by other packages', () =>
        json(process.execPath, [
          script('cpu-peers.mjs'),
          '--folder',
          flags.peers,
          '--shapes',
          flags.shapes,
          '--threads',
          flags.threads,
        ]),
      )
    : { peers: [] };
  const named = shapes.flatMap((shape) => Object.keys(layouts).map((layout) => `${shape.join('x')}:${layout}`));
  const torch = peersAreWanted
    ? await timed('products by PyTorch', () => python(['--models', '', '--products', named.join(',')]))
    : {};
  const rates = async (open) =>
    on(open, async (device) => {
      const made = [];
      for (const shape of shapes)
        for (const layout of Object.keys(layouts))
          made.push(await productRate(device, layout, shape, Number(flags.milliseconds)));
      return made;
    });
  const ownRates = await timed('products by own kernels', () => rates(own));
  const alone = await timed('on one thread', () => rates(() => openCpu({ threads: 1, products: 'own' })));
  const libraryRates = library === null ? null : await timed(`by ${library}`, () => rates(withLibrary));
  let index = 0;
  for (const [at, shape] of shapes.entries()) {
    for (const layout of Object.keys(layouts)) {
      const others = (peers.peers ?? []).flatMap(({ peer, rates: all }) =>
        all === undefined || layout !== 'nn' ? [] : [[peer, all[at]]],
      );
      products.push({
        shape: shape.join(' x '),
        layout,
        own: ownRates[index],
        oneThread: alone[index],
        library: libraryRates?.[index] ?? null,
        torch: torch.products?.[index]?.gflops ?? null,
        ...Object.fromEntries(others),
      });
      index += 1;
    }
  }
}

// ---- training

const training = [];
for (const model of Object.keys(models)) {
  if (!wants(model)) continue;
  const together = model === 'char' ? 5 : 1;
  const mine = await timed(`${model} by own kernels`, () =>
    on(own, (device) => trainingRate(device, model, seconds, together)),
  );
  const faster =
    library === null
      ? null
      : await timed(`${model} by ${library}`, () =>
          on(withLibrary, (device) => trainingRate(device, model, seconds, together)),
        );
  const torch = peersAreWanted
    ? await timed(`${model} by PyTorch`, () =>
        python(['--models', model, '--seconds', flags.seconds, '--characters', String(mine.vocabulary)]),
      )
    : { error: 'left out' };
  const best = torch.models?.toSorted((a, b) => b.best_tokens_per_second - a.best_tokens_per_second)[0] ?? null;
  training.push({ model, own: mine, library: faster, torch: best, version: torch.torch ?? null, error: torch.error });
}

// ---- what was asked, beside what was measured

const asked = [];
const ask = (what, wanted, ratio, least, found) => asked.push({ what, wanted, found, ok: ratio >= least });
const times = (ratio) => `${ratio.toFixed(2)} x`;
const packages = ['tfjs-wasm', 'jax-js'];
for (const row of products) {
  for (const peer of packages.filter((name) => row[name] !== undefined)) {
    const ratio = row.own / row[peer];
    ask(`${row.shape} beside ${peer}, which has one thread`, 'faster', ratio, 1, times(ratio));
  }
}
const title = {
  char: 'characters: 4 layers, 4 heads, width 128, context 64, batch 12',
  gpt2: 'GPT-2 124M, B = 2, T = 256',
};
for (const { model, own: mine, library: faster, torch } of training) {
  if (torch === null) continue;
  // By the fastest steps: what else the machine does slows PyTorch's threads more.
  const ratio = (row) => row.bestTokensPerSecond / torch.best_tokens_per_second;
  const least = model === 'char' ? 1 : 0.5;
  const wanted = least === 1 ? "at least PyTorch's tokens/s" : "at least half of PyTorch's tokens/s";
  ask(`${title[model]}, own kernels`, wanted, ratio(mine), least, times(ratio(mine)));
  if (faster !== null) {
    ask(`${title[model]}, ${library}`, "at least PyTorch's tokens/s", ratio(faster), 1, times(ratio(faster)));
  }
}
for (const { title: name, ofCopy } of kernels?.rows ?? []) {
  if (/rotate|phases/.test(name))
    ask(name, 'at least 60 % of the copy rate', ofCopy, 0.6, `${(100 * ofCopy).toFixed(0)} %`);
}

const number = (value, digits = 1) => (typeof value === 'number' ? value.toFixed(digits) : '');
const line = (cells) => `| ${cells.join(' | ')} |`;
const tableOf = (heading, body) => [line(heading), line(heading.map(() => '---')), ...body.map(line)].join('\n');
const peerNames = [...packages, 'onnxruntime-node'].filter((name) => products.some((row) => row[name] !== undefined));
const cpu = cpus()[0]?.model.trim() ?? 'this CPU';
const copy = kernels?.rows?.[0]?.gigabytesPerSecond ?? null;
const torchVersion = training.find(({ version }) => version !== null)?.version ?? null;
const page = [
  `# ${cpu}, ${threads} threads`,
  [
    `Node ${process.versions.node}.`,
    `Matrix products: ${why}.`,
    copy === null ? '' : `Copy: ${number(copy)} GB/s.`,
    registers === null ? '' : `Registers alone: ${number(registers)} GFLOP/s a thread.`,
    torchVersion === null ? '' : `PyTorch ${torchVersion}.`,
  ]
    .filter((text) => text !== '')
    .join(' '),
  ...(asked.length === 0
    ? []
    : [
        tableOf(
          ['what', 'asked', 'measured', ''],
          asked.map(({ what, wanted, found, ok }) => [what, wanted, found, ok ? 'ok' : 'short']),
        ),
      ]),
  ...(training.length === 0
    ? []
    : [
        tableOf(
          ['model', 'by', 'ms a step, median', 'fastest', 'tokens/s of the fastest'],
          training.flatMap(({ model, own: mine, library: faster, torch }) => [
            [
              model,
              'own kernels',
              number(mine.milliseconds),
              number(mine.bestMilliseconds),
              number(mine.tokensPerSecond, 0),
            ],
            ...(faster === null
              ? []
              : [
                  [
                    model,
                    library,
                    number(faster.milliseconds),
                    number(faster.bestMilliseconds),
                    number(faster.bestTokensPerSecond, 0),
                  ],
                ]),
            ...(torch === null
              ? []
              : [
                  [
                    model,
                    'PyTorch',
                    number(torch.milliseconds),
                    number(torch.best_milliseconds),
                    number(torch.best_tokens_per_second, 0),
                  ],
                ]),
          ]),
        ),
      ]),
  ...(products.length === 0
    ? []
    : [
        tableOf(
          ['m x k x n, GFLOP/s', 'lies', 'own', 'own, 1 thread', 'library', 'PyTorch', ...peerNames],
          products.map((row) => [
            row.shape,
            row.layout,
            ...[row.own, row.oneThread, row.library, row.torch, ...peerNames.map((name) => row[name])].map((rate) =>
              number(rate),
            ),
          ]),
        ),
      ]),
  ...(kernels?.rows === undefined
    ? []
    : [
        tableOf(
          ['kernel', 'MB', 'ms', 'GB/s', 'of copy'],
          kernels.rows.map(({ title: name, megabytes, milliseconds, gigabytesPerSecond, ofCopy }) => [
            name,
            number(megabytes),
            number(milliseconds, 2),
            number(gigabytesPerSecond),
            `${(100 * ofCopy).toFixed(0)} %`,
          ]),
        ),
      ]),
  ...training
    .filter(({ torch, error }) => torch === null && error !== undefined)
    .map(({ model, error }) => `${model} without PyTorch: ${error}.`),
  ...(kernels?.error === undefined ? [] : [`The encodings' kernels did not run: ${kernels.error}.`]),
].join('\n\n');

const result = { cpu, threads, node: process.versions.node, library, registers, asked, training, products, kernels };
console.log(flags.json ? JSON.stringify(result, null, 1) : page);
if (flags.out !== undefined) {
  await mkdir(flags.out, { recursive: true });
  const name = `${cpu} ${threads} threads`.replace(/[^A-Za-z0-9]+/g, '-').toLowerCase();
  await writeFile(join(flags.out, `${name}.json`), `${JSON.stringify(result, null, 1)}\n`);
  await writeFile(join(flags.out, `${name}.md`), `${page}\n`);
  console.error(`\nwrote ${join(flags.out, name)}.json and .md`);
}
