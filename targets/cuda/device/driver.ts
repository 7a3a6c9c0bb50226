// The CUDA driver API: the functions that the device calls, each with its types, and the driver's own name and text for
// every code that one returns. What a code means for the device is said in errors.ts.

import type { Argument, Foreign, ForeignFunction, ForeignType, Library } from './foreign.ts';

/** Every function returns a CUresult. Out values are typed arrays of one element. */
const signatures = {
  cuInit: ['uint'],
  cuDriverGetVersion: ['pointer'],
  cuDeviceGetCount: ['pointer'],
  cuDeviceGet: ['pointer', 'int'],
  cuDeviceGetName: ['pointer', 'int', 'int'],
  cuDeviceGetAttribute: ['pointer', 'int', 'int'],
  cuDeviceTotalMem_v2: ['pointer', 'int'],
  cuDevicePrimaryCtxRetain: ['pointer', 'int'],
  cuDevicePrimaryCtxRelease_v2: ['int'],
  cuCtxSetCurrent: ['handle'],
  cuMemGetInfo_v2: ['pointer', 'pointer'],
  cuMemAlloc_v2: ['pointer', 'size'],
  cuMemFree_v2: ['handle'],
  cuMemHostAlloc: ['pointer', 'size', 'uint'],
  cuMemFreeHost: ['handle'],
  cuMemcpyHtoDAsync_v2: ['handle', 'handle', 'size', 'handle'],
  cuMemcpyDtoHAsync_v2: ['handle', 'handle', 'size', 'handle'],
  cuMemcpyDtoDAsync_v2: ['handle', 'handle', 'size', 'handle'],
  cuMemsetD8Async: ['handle', 'uint', 'size', 'handle'],
  cuStreamCreate: ['pointer', 'uint'],
  cuStreamSynchronize: ['handle'],
  cuStreamDestroy_v2: ['handle'],
  cuStreamBeginCapture_v2: ['handle', 'int'],
  cuStreamEndCapture: ['handle', 'pointer'],
  cuGraphInstantiateWithFlags: ['pointer', 'handle', 'size'],
  cuGraphLaunch: ['handle', 'handle'],
  cuGraphDestroy: ['handle'],
  cuGraphExecDestroy: ['handle'],
  cuModuleLoadData: ['pointer', 'pointer'],
  cuModuleUnload: ['handle'],
  cuModuleGetFunction: ['pointer', 'handle', 'pointer'],
  cuLaunchKernel: ['handle', 'uint', 'uint', 'uint', 'uint', 'uint', 'uint', 'uint', 'handle', 'handle', 'handle'],
  cuEventCreate: ['pointer', 'uint'],
  cuEventRecord: ['handle', 'handle'],
  cuEventQuery: ['handle'],
  cuEventSynchronize: ['handle'],
  cuEventElapsedTime: ['pointer', 'handle', 'handle'],
  cuEventDestroy_v2: ['handle'],
  cuGetErrorName: ['int', 'pointer'],
  cuGetErrorString: ['int', 'pointer'],
} as const satisfies Readonly<Record<string, readonly ForeignType[]>>;

export type DriverFunction = keyof typeof signatures;

export interface Driver {
  readonly foreign: Foreign;
  readonly library: Library;
  /** Calls, and gives the code. */
  code(name: DriverFunction, ...args: readonly Argument[]): number;
  /** 'CUDA_ERROR_ILLEGAL_ADDRESS (700): an illegal memory access was encountered'. */
  describe(code: number): string;
}

/** The names of functions that a library of this path lacks, or the driver. */
export function createDriver(foreign: Foreign, library: Library): Driver | { readonly missing: readonly string[] } {
  const functions = new Map<DriverFunction, ForeignFunction>();
  const missing: string[] = [];
  for (const [name, types] of Object.entries(signatures) as [DriverFunction, readonly ForeignType[]][]) {
    // Since CUDA 12 the elapsed time of events has a second form; either will do.
    const found =
      library.find(name, types) ?? (name === 'cuEventElapsedTime' ? library.find(`${name}_v2`, types) : null);
    if (found === null) missing.push(name);
    else functions.set(name, found);
  }
  if (missing.length > 0) return { missing };
  const code = (name: DriverFunction, ...args: readonly Argument[]): number => functions.get(name)!(...args);
  const textOf = (name: 'cuGetErrorName' | 'cuGetErrorString', error: number): string => {
    const out = new BigUint64Array(1);
    return code(name, error, out) === 0 ? foreign.text(out[0]!) : '';
  };
  return {
    foreign,
    library,
    code,
    describe(error) {
      const name = textOf('cuGetErrorName', error);
      const text = textOf('cuGetErrorString', error);
      return `${name === '' ? 'an unknown error' : name} (${error})${text === '' ? '' : `: ${text}`}`;
    },
  };
}

/** Codes of the driver that mean something to the device. */
export const results = {
  success: 0,
  outOfMemory: 2,
  deinitialized: 4,
  noDevice: 100,
  invalidDevice: 101,
  invalidContext: 201,
  notReady: 600,
  illegalAddress: 700,
  launchOutOfResources: 701,
  launchTimeout: 702,
  contextIsDestroyed: 709,
} as const;

/** Attributes of a device. */
export const attributes = {
  maxSharedMemory: 8,
  maxThreads: 1,
  processors: 16,
  capabilityMajor: 75,
  capabilityMinor: 76,
} as const;
