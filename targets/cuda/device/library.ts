// Where the libraries of CUDA lie: a kind of library comes in, the paths to try go out, best first. What an environment
// variable names stands alone; then names that the system's loader knows, CUDA's folders, and those of Python's packages.

import { readdirSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

export type LibraryKind = 'driver' | 'nvrtc' | 'cublasLt';

export interface Search {
  readonly paths: readonly string[];
  /** Where was looked, in words: for the message when nothing is found. */
  readonly places: string;
  readonly variable: string; // the environment variable that names it
}

const variables: Readonly<Record<LibraryKind, string>> = {
  driver: 'PEGEN_CUDA_DRIVER',
  nvrtc: 'PEGEN_NVRTC',
  cublasLt: 'PEGEN_CUBLASLT',
};

/** Major versions of the toolkit whose interfaces the device knows, newest first. */
const versions = [13, 12, 11];

export function searchLibrary(kind: LibraryKind, environment: NodeJS.ProcessEnv = process.env): Search {
  const variable = variables[kind];
  const given = environment[variable];
  if (given !== undefined && given !== '') return { paths: [given], places: `${variable}=${given}`, variable };
  const windows = process.platform === 'win32';
  const names = windows ? windowsNames[kind] : linuxNames(kind);
  if (kind === 'driver') {
    const folders = windows
      ? []
      : [
          '/usr/lib/x86_64-linux-gnu',
          '/usr/lib/aarch64-linux-gnu',
          '/usr/lib64',
          '/usr/lib/wsl/lib',
          '/usr/local/nvidia/lib64',
        ];
    return {
      paths: [...names, ...folders.flatMap((folder) => names.map((name) => join(folder, name)))],
      places: `${names.join(', ')} in the loader's path${folders.map((folder) => `, ${folder}`).join('')}`,
      variable,
    };
  }
  const folders = [...toolkitFolders(environment), ...pythonFolders(environment)];
  return {
    paths: [...names, ...folders.flatMap((folder) => present(folder, names))],
    places: `${names[0]!} in the loader's path, CUDA_HOME, /usr/local/cuda and the packages of Python`,
    variable,
  };
}

const linuxNames = (kind: LibraryKind): readonly string[] => {
  if (kind === 'driver') return ['libcuda.so.1'];
  const name = kind === 'nvrtc' ? 'libnvrtc.so' : 'libcublasLt.so';
  return versions.map((version) => `${name}.${version === 11 && kind === 'nvrtc' ? '11.2' : version}`);
};

const windowsNames: Readonly<Record<LibraryKind, readonly string[]>> = {
  driver: ['nvcuda.dll'],
  nvrtc: ['nvrtc64_130_0.dll', 'nvrtc64_120_0.dll', 'nvrtc64_112_0.dll'],
  cublasLt: ['cublasLt64_13.dll', 'cublasLt64_12.dll', 'cublasLt64_11.dll'],
};

/** Folders of toolkits, CUDA_HOME's first. */
export function toolkits(environment: NodeJS.ProcessEnv = process.env): readonly string[] {
  const own = [environment['CUDA_HOME'], environment['CUDA_PATH']].filter(
    (folder): folder is string => folder !== undefined && folder !== '',
  );
  const numbered = entries('/usr/local')
    .filter((name) => name.startsWith('cuda-'))
    .toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  return [...new Set([...own, '/usr/local/cuda', ...numbered.map((name) => join('/usr/local', name)), '/opt/cuda'])];
}

const toolkitFolders = (environment: NodeJS.ProcessEnv): readonly string[] =>
  toolkits(environment).flatMap((folder) =>
    ['lib64', 'lib', join('targets', 'x86_64-linux', 'lib'), 'bin', join('bin', 'x64')].map((name) =>
      join(folder, name),
    ),
  );

/** Folders of the packages that PyTorch and others bring: site-packages/nvidia/NAME/lib. */
function pythonFolders(environment: NodeJS.ProcessEnv): readonly string[] {
  const conda = environment['CONDA_PREFIX'];
  const roots = [
    environment['VIRTUAL_ENV'],
    conda,
    pythonRoot(environment),
    join(homedir(), '.local'),
    '/usr/local',
    '/usr',
  ]
    .filter((root): root is string => root !== undefined && root !== '')
    .map((root) => join(root, 'lib'));
  const packages = [...new Set(roots)].flatMap((lib) =>
    entries(lib)
      .filter((name) => name.startsWith('python3'))
      .flatMap((name) => [join(lib, name, 'site-packages'), join(lib, name, 'dist-packages')]),
  );
  const nvidia = packages.flatMap((folder) => {
    const inside = join(folder, 'nvidia');
    return entries(inside).flatMap((name) => [join(inside, name, 'lib'), join(inside, name, 'bin')]);
  });
  return [...(conda === undefined ? [] : [join(conda, 'lib')]), ...nvidia];
}

/** The installation of the python3 in the path. */
function pythonRoot(environment: NodeJS.ProcessEnv): string | undefined {
  for (const folder of (environment['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    try {
      return dirname(dirname(realpathSync(join(folder, 'python3'))));
    } catch {
      continue;
    }
  }
  return undefined;
}

/** Files of a folder that are called so; a name may go on with a version. */
const present = (folder: string, names: readonly string[]): readonly string[] => {
  const found = entries(folder);
  return names.flatMap((name) =>
    found.filter((entry) => entry === name || entry.startsWith(`${name}.`)).map((entry) => join(folder, entry)),
  );
};

/** Names in a folder; none where it cannot be read. */
export function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
