// The package as a user gets it: packed, installed into an empty project, run there.

import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { publint } from 'publint';
import { expect, test } from 'vitest';
import { inFolder } from '../cli/run.ts';

const execute = promisify(execFile);
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/** Like npm install, where there is no registry: the package unpacked, its dependencies linked to ours. */
async function installByHand(project: string, tarball: string): Promise<void> {
  const modules = join(project, 'node_modules');
  rmSync(modules, { recursive: true, force: true });
  mkdirSync(modules);
  await execute('tar', ['-xzf', tarball, '-C', modules]);
  cpSync(join(modules, 'package'), join(modules, 'pegen'), { recursive: true });
  rmSync(join(modules, 'package'), { recursive: true });
  for (const name of readdirSync(resolve('node_modules')))
    if (!name.startsWith('.') && name !== 'pegen') symlinkSync(resolve('node_modules', name), join(modules, name));
  mkdirSync(join(modules, '.bin'));
  symlinkSync(join(modules, 'pegen', 'dist', 'src', 'cli', 'main.js'), join(modules, '.bin', 'pegen'));
}

test('the packed package builds, checks and explains in an empty project', { timeout: 300_000 }, () =>
  inFolder(async (folder) => {
    const packed = await execute(npm, ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]);
    const [{ filename, files }] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    for (const wanted of [
      'README.md',
      'CHANGELOG.md',
      'LICENSE',
      'grammar/README.md',
      'examples/rope.pe',
      'src/verify/README.md',
    ])
      expect(paths).toContain(wanted);
    expect(paths.filter((path) => /^(test|node_modules)\/|\.ts$/.test(path) && !path.endsWith('.d.ts'))).toEqual([]);

    const project = join(folder, 'project');
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), '{ "name": "empty", "private": true, "type": "module" }\n');
    const tarball = join(folder, filename);
    const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--omit=optional', tarball];
    await execute(npm, install, { cwd: project, timeout: 200_000 }).catch(() => installByHand(project, tarball));

    const pegen = async (...args: string[]): Promise<string> =>
      (await execute(join(project, 'node_modules', '.bin', 'pegen'), args, { cwd: project })).stdout;
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect((await pegen('--version')).trim()).toBe(version);
    const carope = join('node_modules', 'pegen', 'examples', 'carope.pe');
    expect(await pegen('check', carope)).toContain('carope is well-formed');
    expect(await pegen('explain', 'PE0201')).toMatch(/^# PE0201/);
    await pegen('build', carope, '--out', 'out');
    expect(existsSync(join(project, 'out', 'carope.wgsl'))).toBe(true);

    // What the exports name is there, and a program can use it.
    const program = `
      import { compile, loadModule } from 'pegen';
      import { wholeSequence, DeviceError } from 'pegen/device';
      import { openWebGpu } from 'pegen/webgpu';
      import { readFileSync } from 'node:fs';
      const compiled = await compile({ path: 'carope.pe', text: readFileSync(${JSON.stringify(carope)}, 'utf8') });
      const module = await loadModule(compiled.module);
      console.log(module.name, typeof openWebGpu, typeof DeviceError, module.entries.forward.inputs[0].elements(wholeSequence(2, 8)));`;
    writeFileSync(join(project, 'use.mjs'), program);
    const used = await execute(process.execPath, ['use.mjs'], { cwd: project });
    expect(used.stdout.trim()).toBe('carope function function 1024');
  }),
);

test('publint finds nothing wrong with package.json', async () => {
  const { messages } = await publint({ pkgDir: resolve('.'), pack: false, level: 'warning' });
  expect(messages).toEqual([]);
});
