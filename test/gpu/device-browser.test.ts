// The same device code in a browser: many dispatches in several command buffers, reads in order, a lost device. Needs the
// built modules, as `npm test` makes them.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  i32,
  laneIndex,
  less,
  letOf,
  load,
  local,
  multiply,
  store,
  when,
  workgroupIndex,
  f32,
} from '../../codegen/kernel-build.ts';
import { wgsl } from '../../targets/wgsl/printer.ts';
import { openTestBrowser, type TestBrowser } from './browser.ts';

const index = local('index', 'i32');
const code = wgsl.kernel(
  {
    name: 'grow',
    workgroup: 64,
    bindings: [{ name: 'values', type: 'f32', access: 'read_write' }],
    shared: [],
    arrays: [],
    statements: [
      letOf('index', add(multiply(workgroupIndex, i32(64)), laneIndex)),
      ...when(less(index, i32(100)), [store('values', index, add(load('values', index), f32(1)))]),
    ],
  },
  'grow',
);

/** Served to the page as it stands. */
const program = `
import { openWebGpu } from '/targets/wgsl/device/index.js';
export async function main(code) {
  const device = await openWebGpu();
  const storage = device.allocate(400, 'values');
  const kernel = {
    name: 'grow',
    source: 'grow.pe:1',
    bindings: [{ name: 'values', type: 'f32', access: 'read_write' }],
    variants: [{ profile: 'portable', workgroup: 64, code, groups: () => 2 }],
  };
  const buffer = { name: 'values', elements: 100, type: 'f32', storage, offset: 0 };
  const recorded = await device.record((tape) => {
    for (let time = 0; time < 75; time += 1) tape.launch(kernel, [buffer]);
  }, { batch: 1, tokens: 1, keys: 1, first: 0, capacity: 1 });
  device.write(storage, 0, new Float32Array(100).fill(0.5));
  device.run(recorded);
  device.run(recorded);
  const values = [...new Float32Array(await device.read(storage, 0, 400))];
  device.gpu.destroy();
  const lost = await device.read(storage, 0, 4).then(() => null, (error) => error.kind);
  return { values, lost, source: device.adapter.source, launches: recorded.launches };
}`;

describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('a browser', () => {
  let browser: TestBrowser | null = null;
  beforeAll(async () => {
    browser = await openTestBrowser({ '/program.js': program });
  });
  afterAll(() => browser?.close());

  it('runs kernels in order and tells of a lost device', async () => {
    const result = await browser!.page.evaluate(
      `import('/program.js').then(({ main }) => main(${JSON.stringify(code)}))`,
    );
    expect(result).toEqual({ values: Array(100).fill(150.5), lost: 'lost', source: 'browser', launches: 75 });
    expect(browser!.errors).toEqual([]);
  });
});
