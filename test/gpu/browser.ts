// A headless Chromium with WebGPU on SwiftShader, out of npm packages: no root, no display, no system browser. A small
// server gives it the built modules (dist) and whatever files a test adds. null where the package has nothing for the
// machine.

import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';

export interface TestBrowser {
  readonly page: Page;
  /** Error messages and console errors of the page so far. */
  readonly errors: readonly string[];
  close(): Promise<void>;
}

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const types: Readonly<Record<string, string>> = { js: 'text/javascript', html: 'text/html', json: 'application/json' };

/** `isolated`: the page may share memory with its workers. */
export async function openTestBrowser(
  files: Readonly<Record<string, string>> = {},
  { isolated = false }: { readonly isolated?: boolean } = {},
): Promise<TestBrowser | null> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return null;
  const folder = await unpackChromium();
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname));
    if (isolated) {
      response.setHeader('cross-origin-opener-policy', 'same-origin');
      response.setHeader('cross-origin-embedder-policy', 'require-corp');
    }
    response.setHeader('content-type', types[path.split('.').at(-1) ?? ''] ?? 'text/html');
    const own = files[path] ?? (path === '/' ? '<!doctype html><title>pegen</title>' : null);
    if (own !== null) response.end(own);
    else {
      readFile(join(dist, path)).then(
        (data) => response.end(data),
        () => response.writeHead(404).end(),
      );
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { chromium } = await import('playwright-core');
  const libraries = [join(folder, 'al2023', 'lib'), process.env['LD_LIBRARY_PATH'] ?? ''].filter(Boolean).join(':');
  const browser = await chromium.launch({
    executablePath: join(folder, 'chromium'),
    args: [
      '--headless=shell',
      '--no-sandbox',
      '--no-zygote',
      '--enable-unsafe-webgpu',
      '--use-webgpu-adapter=swiftshader',
    ],
    env: { ...(process.env as Record<string, string>), LD_LIBRARY_PATH: libraries },
  });
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return {
    page,
    errors,
    async close() {
      await browser.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Chromium and the libraries that it needs, unpacked once; beside and renamed, so that the folder is always whole. */
async function unpackChromium(): Promise<string> {
  const folder = join(tmpdir(), `pegen-chromium-${userInfo().uid}`);
  if (existsSync(join(folder, 'chromium'))) return folder;
  const beside = await mkdtemp(join(tmpdir(), 'pegen-chromium-'));
  const before = { ...process.env };
  // The package unpacks into the folder for temporary files, its libraries only where it takes the machine for Lambda.
  Object.assign(process.env, { TMPDIR: beside, AWS_LAMBDA_JS_RUNTIME: 'nodejs22.x' });
  try {
    const { default: chromium } = await import('@sparticuz/chromium');
    await chromium.executablePath();
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  }
  try {
    await rename(beside, folder);
  } catch (error) {
    await rm(beside, { recursive: true, force: true }); // another process was faster
    if (!existsSync(join(folder, 'chromium'))) throw error;
  }
  return folder;
}
