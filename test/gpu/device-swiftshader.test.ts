// The software driver comes out of the npm package into a cache of the user's own, and a process without any Vulkan on its
// search path gets an adapter from it. Each case is a process of its own, since a loaded driver cannot be unloaded.

import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';

const run = promisify(execFile);
const dist = fileURLToPath(new URL('../../dist/targets/wgsl/device/index.js', import.meta.url));
const program = `
const { openWebGpu } = await import(${JSON.stringify(dist)});
const device = await openWebGpu();
const buffer = device.allocate(16, 'x');
device.write(buffer, 0, new Float32Array([1, 2, 3, 4]));
globalThis.gc?.(); // Dawn's own object must not be collected
const back = new Float32Array(await device.read(buffer, 0, 16));
console.log(JSON.stringify([device.adapter.source, [...back], process.env.VK_DRIVER_FILES ?? null]));
await device.close();
`;

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pegen-test-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function open(env: Record<string, string>): Promise<{ result: unknown; stderr: string }> {
  const { stdout, stderr } = await run(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], {
    env: { PATH: '/usr/bin:/bin', HOME: folder, TMPDIR: folder, XDG_DATA_DIRS: '/nonexistent', ...env },
  });
  return { result: JSON.parse(stdout), stderr };
}
const expected = ['swiftshader', [1, 2, 3, 4], null];

it('two processes at once unpack it into an empty cache, without a word', async () => {
  const runs = await Promise.all([open({}), open({})]);
  expect(runs).toEqual([
    { result: expected, stderr: '' },
    { result: expected, stderr: '' },
  ]);
  const cache = join(folder, '.cache', 'pegen');
  const entries = await readdir(cache);
  expect(entries).toHaveLength(1);
  expect((await readdir(join(cache, entries[0]!))).toSorted()).toEqual([
    'libvk_swiftshader.so',
    'libvulkan.so.1',
    'vk_swiftshader_icd.json',
  ]);
  const before = (await stat(join(cache, entries[0]!, 'libvulkan.so.1'))).mtimeMs;
  expect((await open({})).result).toEqual(expected);
  expect((await stat(join(cache, entries[0]!, 'libvulkan.so.1'))).mtimeMs).toBe(before);
});

it('a cache that is no folder, or that others can write, is passed over', async () => {
  await writeFile(join(folder, 'file'), '');
  expect((await open({ XDG_CACHE_HOME: join(folder, 'file') })).result).toEqual(expected);
  const shared = join(folder, 'shared', 'pegen');
  await mkdir(shared, { recursive: true });
  await chmod(shared, 0o777);
  expect((await open({ XDG_CACHE_HOME: join(folder, 'shared') })).result).toEqual(expected);
  expect(await readdir(shared)).toEqual([]);
});
