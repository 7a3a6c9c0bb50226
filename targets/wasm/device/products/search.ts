// Where libraries of matrix products lie: paths to try, best first. What an environment variable names stands alone.

import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

export interface Search {
  readonly paths: readonly string[];
  /** Where was looked, when nothing is found. */
  readonly places: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Of OpenBLAS, or what has its functions. */
export function searchBlas(environment: Environment = process.env): Search {
  const given = environment['PEGEN_BLAS'];
  if (given !== undefined && given !== '') return { paths: [given], places: `nothing loads from PEGEN_BLAS=${given}` };
  const names = namesOfBlas[process.platform] ?? namesOfBlas['linux']!;
  return { paths: names, places: `${names[0]!} is not in the loader's path` };
}

const namesOfBlas: Readonly<Record<string, readonly string[]>> = {
  linux: ['libopenblas.so.0', 'libopenblas.so'],
  darwin: [
    '/opt/homebrew/opt/openblas/lib/libopenblas.dylib',
    '/usr/local/opt/openblas/lib/libopenblas.dylib',
    'libopenblas.dylib',
  ],
  win32: ['libopenblas.dll', 'openblas.dll'],
};

/** Of the npm package onnxruntime-node: installed beside pegen, or where the process was started. */
export function searchRuntime(
  environment: Environment = process.env,
  roots: readonly string[] = [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json')).href],
): Search {
  const given = environment['PEGEN_ONNXRUNTIME'];
  if (given !== undefined && given !== '') {
    return {
      paths: existsSync(join(given, 'bin')) ? inPackage(given) : [given],
      places: `nothing loads from PEGEN_ONNXRUNTIME=${given}`,
    };
  }
  const folders = new Set(roots.flatMap(packageFolder));
  return {
    paths: [...folders].flatMap(inPackage),
    places:
      folders.size === 0
        ? 'the npm package onnxruntime-node is not installed'
        : `nothing for this machine in ${[...folders].join(', ')}`,
  };
}

function packageFolder(root: string): readonly string[] {
  try {
    const entry = createRequire(root).resolve('onnxruntime-node');
    for (let folder = dirname(entry); folder !== dirname(folder); folder = dirname(folder)) {
      if (existsSync(join(folder, 'bin'))) return [folder];
    }
  } catch {
    // not there
  }
  return [];
}

/** bin/napi-v6/linux/x64/libonnxruntime.so.1 */
function inPackage(folder: string): readonly string[] {
  const inner = readdirSync(join(folder, 'bin')).map((name) =>
    join(folder, 'bin', name, process.platform, process.arch),
  );
  return inner.flatMap((place) => {
    const names = existsSync(place) ? readdirSync(place) : [];
    return names
      .filter((name) => /^(lib)?onnxruntime\.(so|dll|[0-9.]*dylib)/.test(name))
      .map((name) => join(place, name));
  });
}
