// A process of its own, in which AddressSanitizer watches kernels on emulated CUDA: its argument is JSON with the cases to
// verify, [vectors, path of the .pe file, params, precision], or the text of a kernel `oops` over one buffer of 64 floats.
// Prints a line for each case. Runs what `npm run build` made.

import { readFile } from 'node:fs/promises';

const built = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);
const { openCuda } = await built('targets/cuda/device/index.js');
const { wholeSequence } = await built('targets/device.js');
const { frontEnd } = await built('src/front-end.js');
const { compileOptions } = await built('src/options.js');
const { readSource } = await built('src/cli/source-file.js');
const { readCase } = await built('src/verify/case.js');
const { deviceRunner } = await built('src/verify/device-runner.js');
const { bf16Tolerance, geometryOf, verify } = await built('src/verify/run.js');

const { cases = [], text = null } = JSON.parse(process.argv[2]);
const device = await openCuda({ emulate: true });

for (const [name, path, params, precision] of cases) {
  const { case: vectors } = readCase(
    await readFile(new URL(`../fixtures/vectors/${name}.json`, import.meta.url), 'utf8'),
  );
  const options = compileOptions({ geometry: geometryOf(vectors.sizes), params, laws: false });
  const { lowered } = frontEnd(await readSource(path), options);
  const tolerance = precision === 'bf16' ? bf16Tolerance : 2e-5;
  const { passed } = await verify(lowered.attend, vectors, deviceRunner(device, { precision }), tolerance);
  console.log(`${name} ${precision} ${passed ? 'passed' : 'failed'}`);
}

if (text !== null) {
  const storage = device.allocate(256, 'a');
  const buffer = { name: 'a', elements: 64, type: 'f32', storage, offset: 0 };
  const kernel = {
    name: 'oops',
    language: 'cuda',
    source: 'oops.pe:1',
    product: null,
    bindings: [{ name: 'a', type: 'f32', access: 'read_write' }],
    variants: [{ profile: 'software', workgroup: 64, code: text, groups: () => 1 }],
  };
  const recorded = await device.record((tape) => tape.launch(kernel, [buffer]), wholeSequence(1, 64));
  device.run(recorded);
  await device.read(storage, 0, 256);
  console.log('oops ran');
}
await device.close();
