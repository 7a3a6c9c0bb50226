// The CPU device in a browser: threads over one memory where the page is cross-origin isolated, one thread with a memory of
// its own otherwise; the same numbers. Needs the built modules, as `npm test` makes them.

import { describe, expect, it } from 'vitest';
import { assemble, element, op } from '../wasm/hand.ts';
import { openTestBrowser } from './browser.ts';

const kernel = {
  name: 'grow',
  language: 'wasm',
  source: 'grow.pe:1',
  product: null,
  bindings: [{ name: 'values', type: 'i32', access: 'read_write' }],
};
const code = assemble([...element(0), ...element(0), ...op.load(), ...op.item, ...op.add, ...op.store]);
const wrong = assemble(op.unreachable);

/** Served to the page as it stands. */
const program = `
import { openCpu } from '/targets/wasm/device/index.js';
const kernelOf = (code) => ({
  ...${JSON.stringify(kernel)},
  variants: [{ profile: 'software', workgroup: 1, code, groups: () => 100 }],
});
const sizes = { batch: 1, tokens: 1, keys: 1, first: 0, capacity: 1 };
export async function main(code, wrong) {
  const device = await openCpu({ threads: 3 });
  const storage = device.allocate(400, 'values');
  const buffer = { name: 'values', elements: 100, type: 'i32', storage, offset: 0 };
  const recorded = await device.record((tape) => {
    for (let time = 0; time < 75; time += 1) tape.launch(kernelOf(code), [buffer]);
  }, sizes);
  device.write(storage, 0, new Int32Array(100).fill(5));
  device.run(recorded);
  const large = device.allocate(2 ** 26, 'large');
  device.write(large, 2 ** 26 - 4, Int32Array.of(7));
  device.run(recorded);
  const values = [...new Int32Array(await device.read(storage, 0, 400))];
  const end = [...new Int32Array(await device.read(large, 2 ** 26 - 8, 8))];
  const seconds = await device.elapsed(recorded);
  const faulty = await device.record((tape) => tape.launch(kernelOf(wrong), [buffer]), sizes);
  device.run(faulty);
  const fault = await device.read(storage, 0, 4).then(() => null, (error) => error.message);
  await device.close();
  const closed = await device.read(storage, 0, 4).then(() => null, (error) => error.message);
  return { values, end, timed: seconds > 0, fault, closed, threads: device.threads, description: device.description };
}`;

describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('a browser', () => {
  it.each([
    ['isolated', true, 3, /^CPU: this CPU, 3 threads \(WebAssembly SIMD\)$/],
    ['not isolated', false, 1, /, 1 thread, since the page is not cross-origin isolated \(WebAssembly SIMD\)$/],
  ] as const)('whose page is %s runs kernels on threads', async (_, isolated, threads, description) => {
    const browser = (await openTestBrowser({ '/program.js': program }, { isolated }))!;
    try {
      const result = await browser.page.evaluate(
        `import('/program.js').then(({ main }) => main(${JSON.stringify(code)}, ${JSON.stringify(wrong)}))`,
      );
      expect(result).toEqual({
        values: Array.from({ length: 100 }, (_, n) => 5 + 150 * n),
        end: [0, 7],
        timed: true,
        fault: expect.stringMatching(/^a fault in grow \(grow\.pe:1\): unreachable$/),
        closed: 'the device has been closed',
        threads,
        description: expect.stringMatching(description),
      });
      expect(browser.errors).toEqual([]);
    } finally {
      await browser.close();
    }
  });
});
