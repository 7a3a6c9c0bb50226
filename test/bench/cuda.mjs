// The GPU benchmark: the encodings' kernels over sizes and the trainer, in float32 and bf16, beside PyTorch and Triton where
// Python has them, in one run on one card. Writes NAME.json and NAME.md with what was asked next to what was measured.
//
//   npm run bench:cuda                                      on a machine with an NVIDIA GPU
//   npm run bench:cuda -- --emulate --bytes 64K --no-train  tries the whole way on a CPU; its times mean nothing

import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

const { values: flags } = parseArgs({
  options: {
    bytes: { type: 'string', default: '4M,42M,150M,512M,2G' },
    heads: { type: 'string', default: '32' },
    'kv-heads': { type: 'string', default: '8' },
    'head-dim': { type: 'string', default: '128' },
    precisions: { type: 'string', default: 'bf16,f32' },
    encodings: { type: 'string', default: 'rope,rope_learned,carope,comrope_ld_1d' },
    out: { type: 'string', default: fileURLToPath(new URL('results', import.meta.url)) },
    python: { type: 'string', default: 'python3' },
    emulate: { type: 'boolean', default: false },
    'no-train': { type: 'boolean', default: false },
    'no-peers': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  console.log(`npm run bench:cuda -- [flags]

  --bytes 4M,42M,2G       what rotating query and key reads and writes, one size after the other
  --heads 32 --kv-heads 8 --head-dim 128
  --precisions bf16,f32
  --encodings rope,rope_learned,carope,comrope_ld_1d
  --out FOLDER            where NAME.json and NAME.md go (test/bench/results)
  --python python3        with PyTorch and Triton, for the peers
  --no-peers  --no-train  leave out Python, or GPT-2 124M
  --emulate               on this CPU, to try the benchmark itself`);
  process.exit(0);
}

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const device = ['--device', 'cuda', ...(flags.emulate ? ['--emulate'] : [])];
const shape = ['heads', 'kv-heads', 'head-dim'].flatMap((name) => [`--${name}`, flags[name]]);
const example = (name) => join(root, 'examples', `${name}.pe`);

async function json(program, args, what) {
  console.error(`${what} ...`);
  const start = performance.now();
  const { stdout } = await run(program, args, { cwd: root, maxBuffer: 2 ** 28 });
  console.error(`${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return JSON.parse(stdout);
}
const pegen = (args, what) =>
  json(process.execPath, [join(root, 'dist/src/cli/main.js'), 'bench', ...args, ...device, '--json'], what);

const kernels = [];
for (const precision of flags.precisions.split(',')) {
  const args = [...flags.encodings.split(',').map(example), '--bytes', flags.bytes, ...shape, '--precision', precision];
  kernels.push(await pegen(args, `encodings in ${precision}`));
}
const training = [];
if (!flags['no-train']) {
  for (const precision of flags.precisions.split(',')) {
    const args = [
      example('rope'),
      '--train',
      'gpt2-124m',
      '--batch',
      '32',
      '--vocabulary',
      '50304',
      '--precision',
      precision,
    ];
    training.push(
      await pegen(args, `GPT-2 124M in ${precision}`).catch((error) => ({ precision, error: text(error) })),
    );
  }
}
const peers = flags['no-peers'] ? { error: 'left out' } : await pythonPeers();

async function pythonPeers() {
  const script = fileURLToPath(new URL('python/measure.py', import.meta.url));
  const args = [script, '--bytes', flags.bytes, '--types', flags.precisions, ...shape];
  return json(flags.python, args, 'PyTorch and Triton').catch((error) => ({ error: text(error) }));
}

function text(error) {
  return (error.stderr || error.message).trim().split('\n').at(-1);
}

// ---- what was asked, beside what was measured

const rows = kernels.flatMap(({ rows: own, copyBytesPerSecond }) =>
  own.map((row) => ({ ...row, copy: copyBytesPerSecond })),
);
const peerRows = peers.rows ?? [];
const operationOf = ({ encoding, part }) =>
  ({
    rope: { forward: 'rotate_forward', backward: 'rotate_backward' },
    rope_learned: { backward: 'rotate_backward_angle' },
    carope: { whole: 'carope' },
    comrope_ld_1d: { whole: 'comrope_ld_1d' },
  })[encoding]?.[part];
const peerTime = (row, peer) =>
  peerRows.find(
    (one) =>
      one.peer === peer &&
      one.operation === operationOf(row) &&
      one.precision === row.precision &&
      one.bytes === row.asked,
  )?.microseconds ?? null;

const asked = [];
for (const row of rows) {
  const at = `${row.encoding} ${row.part}, ${row.precision}, ${(row.asked / 2 ** 20).toFixed(row.asked < 2 ** 20 ? 2 : 0)} MB`;
  const large = row.asked >= 150 * 2 ** 20;
  if (large && row.encoding === 'rope' && row.part !== 'whole') {
    asked.push([at, 'at least 90 % of the copy rate', `${(100 * row.ofCopy).toFixed(0)} %`, row.ofCopy >= 0.9]);
  }
  if (row.asked === 42 * 2 ** 20 && row.encoding === 'rope' && row.part === 'forward' && row.precision === 'bf16') {
    asked.push([at, 'under 40 us', `${row.microseconds.toFixed(1)} us`, row.microseconds < 40]);
  }
  if (large && row.encoding === 'carope' && row.part === 'whole') {
    asked.push([at, "at most 2 x the rotation's floor", `${(1 / row.ofCopy).toFixed(2)} x`, row.ofCopy >= 0.5]);
  }
  const compiled = peerTime(row, 'torch.compile');
  if (large && row.encoding === 'rope_learned' && row.part === 'backward' && compiled !== null) {
    const ratio = compiled / row.microseconds;
    asked.push([at, 'at least 4 x faster than torch.compile', `${ratio.toFixed(1)} x`, ratio >= 4]);
  }
}
for (const one of training) {
  for (const row of one.training ?? []) {
    const at = `GPT-2 124M, B = 32, T = 1024, ${one.precision}`;
    const rate = Math.round(row.tokensPerSecond);
    asked.push([at, '468,000 tokens/s (bf16, one H100)', `${rate.toLocaleString('en-US')} tokens/s`, rate >= 468_000]);
    asked.push([at, 'first step within 10 s', `${row.secondsToFirstStep.toFixed(1)} s`, row.secondsToFirstStep < 10]);
  }
}

const line = (cells) => `| ${cells.join(' | ')} |`;
const tableOf = (heading, body) => [line(heading), line(heading.map(() => '---')), ...body.map(line)].join('\n');
const card = kernels[0].device;
const number = (value, digits = 1) => (value === null || value === undefined ? '' : value.toFixed(digits));
const page = [
  `# ${card}`,
  `${flags.heads} query and ${flags['kv-heads']} key heads of ${flags['head-dim']}. Copy: ${kernels.map((one) => `${(one.copyBytesPerSecond / 1e9).toFixed(0)} GB/s (${one.precision} run)`).join(', ')}${peers.copy_bytes_per_second === undefined ? '' : `, PyTorch's ${(peers.copy_bytes_per_second / 1e9).toFixed(0)} GB/s`}. The floor is what rotating query and key must move; caches are overwritten between runs.`,
  tableOf(
    ['what', 'asked', 'measured', ''],
    asked.map(([what, wanted, found, ok]) => [what, wanted, found, ok ? 'ok' : 'short']),
  ),
  tableOf(
    [
      'encoding',
      'part',
      'precision',
      'size MB',
      'floor MB',
      'moved MB',
      'kernels',
      'us',
      'of copy',
      'eager us',
      'torch.compile us',
      'triton us',
    ],
    rows.map((row) => [
      row.encoding,
      row.part,
      row.precision,
      number(row.asked / 2 ** 20, 2),
      number(row.floorBytes / 1e6),
      number(row.bytes / 1e6),
      row.kernels,
      number(row.microseconds),
      `${(100 * row.ofCopy).toFixed(0)} %`,
      ...['eager', 'torch.compile', 'triton'].map((peer) => number(peerTime(row, peer))),
    ]),
  ),
  peers.error === undefined
    ? `PyTorch ${peers.torch} on ${peers.card}.`
    : `Without PyTorch and Triton: ${peers.error}.`,
  ...training
    .filter(({ error }) => error !== undefined)
    .map(({ precision, error }) => `GPT-2 124M in ${precision} did not run: ${error}.`),
].join('\n\n');

await mkdir(flags.out, { recursive: true });
const name = card
  .replace(/\(.*$/, '')
  .trim()
  .replace(/[^A-Za-z0-9]+/g, '-')
  .toLowerCase();
const file = (extension) => join(flags.out, `${name}.${extension}`);
await writeFile(
  file('json'),
  `${JSON.stringify({ card, flags: { ...flags, out: undefined }, kernels, training, peers }, null, 1)}\n`,
);
await writeFile(file('md'), `${page}\n`);
console.log(page);
console.error(`\nwrote ${file('json')} and ${file('md')}`);
