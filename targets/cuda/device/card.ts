// A GPU of NVIDIA's: the driver library is found and asked what is there. Every way in which there can be none has its own
// message, with what to install or change.

import { DeviceError } from '../../device.ts';
import { attributes, createDriver, results, type Driver } from './driver.ts';
import type { Foreign } from './foreign.ts';
import { searchLibrary } from './library.ts';

/** The least version of CUDA that the driver must offer: graphs of streams as the device makes them. */
const leastVersion = 11040;

export interface Card {
  readonly ordinal: number;
  readonly handle: number;
  readonly name: string; // 'NVIDIA H200'
  readonly capability: number; // 90
  readonly bytes: number;
  readonly maxThreads: number;
}

export interface OpenDriver {
  readonly driver: Driver;
  readonly version: number; // 13000
  readonly count: number; // of cards
}

export const versionText = (version: number): string =>
  `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;

/** `path`: of the driver library, where it is known. */
export function openDriver(foreign: Foreign, path: string | null): OpenDriver {
  const { paths, places, variable } =
    path === null ? searchLibrary('driver') : { paths: [path], places: path, variable: '' };
  const library = paths.map((each) => foreign.open(each)).find((each) => each !== null) ?? null;
  if (library === null) {
    throw unavailable(
      `no NVIDIA driver library (${places}): install NVIDIA's driver, or name the library in ${variable}; ` +
        '--emulate runs the kernels on this CPU, to check them',
    );
  }
  const driver = createDriver(foreign, library);
  if ('missing' in driver) {
    throw unavailable(
      `the NVIDIA driver at ${library.path} is too old, it has no ${driver.missing.slice(0, 3).join(', ')}: ` +
        `install one for CUDA ${versionText(leastVersion)} or later`,
    );
  }
  const started = driver.code('cuInit', 0);
  if (started === results.noDevice) throw noDevice();
  if (started !== 0) {
    throw unavailable(
      `the NVIDIA driver does not start (cuInit: ${driver.describe(started)}): ` +
        'check with nvidia-smi; after an update of the driver restart the machine',
    );
  }
  const out = new Int32Array(1);
  expect(driver, driver.code('cuDriverGetVersion', out), 'cuDriverGetVersion');
  const version = out[0]!;
  if (version < leastVersion) {
    throw unavailable(
      `the NVIDIA driver offers CUDA ${versionText(version)}; CUDA ${versionText(leastVersion)} or later is needed: ` +
        'install a newer driver',
    );
  }
  expect(driver, driver.code('cuDeviceGetCount', out), 'cuDeviceGetCount');
  if (out[0] === 0) throw noDevice();
  return { driver, version, count: out[0]! };
}

const unavailable = (message: string): DeviceError => new DeviceError('unavailable', message);
const noDevice = (): DeviceError =>
  unavailable(
    'the NVIDIA driver finds no GPU: none is in this machine, CUDA_VISIBLE_DEVICES hides it, or the container was ' +
      'started without it',
  );

function expect(driver: Driver, code: number, name: string): void {
  if (code !== 0)
    throw unavailable(`the NVIDIA driver does not tell what is there (${name}: ${driver.describe(code)})`);
}

export function cardAt({ driver, count }: OpenDriver, ordinal: number): Card {
  if (!Number.isInteger(ordinal) || ordinal < 0 || ordinal >= count) {
    throw unavailable(`there is no GPU ${ordinal}: the driver has ${count}, counted from 0`);
  }
  const out = new Int32Array(1);
  expect(driver, driver.code('cuDeviceGet', out, ordinal), 'cuDeviceGet');
  const handle = out[0]!;
  const attribute = (which: number): number => {
    expect(driver, driver.code('cuDeviceGetAttribute', out, which, handle), 'cuDeviceGetAttribute');
    return out[0]!;
  };
  const name = new Uint8Array(256);
  expect(driver, driver.code('cuDeviceGetName', name, name.length, handle), 'cuDeviceGetName');
  const bytes = new BigUint64Array(1);
  expect(driver, driver.code('cuDeviceTotalMem_v2', bytes, handle), 'cuDeviceTotalMem');
  return {
    ordinal,
    handle,
    name: new TextDecoder().decode(name.subarray(0, name.indexOf(0))),
    capability: 10 * attribute(attributes.capabilityMajor) + attribute(attributes.capabilityMinor),
    bytes: Number(bytes[0]),
    maxThreads: attribute(attributes.maxThreads),
  };
}
