// The CPU benchmark itself, on a product of a few points: what it prints is data, with rates of pegen's own.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);

it('the benchmark measures products and prints JSON', { timeout: 60_000 }, async () => {
  const flags = [
    '--only',
    'products',
    '--shapes',
    '16x12x20',
    '--no-peers',
    '--threads',
    '2',
    '--milliseconds',
    '5',
    '--json',
  ];
  const env = { ...process.env, PEGEN_PRODUCTS: 'own' };
  const { stdout } = await run(process.execPath, ['test/bench/cpu.mjs', ...flags], { env });
  const { products, library, asked, registers } = JSON.parse(stdout);
  expect(products.map(({ shape, layout }: Record<string, string>) => [shape, layout])).toEqual(
    ['nn', 'nt', 'tn'].map((layout) => ['16 x 12 x 20', layout]),
  );
  for (const { own, oneThread, library: rate } of products) {
    expect(own).toBeGreaterThan(0);
    expect(oneThread).toBeGreaterThan(0);
    expect(rate).toBeNull();
  }
  expect([library, asked]).toEqual([null, []]);
  expect(registers).toBeGreaterThan(0);
});
