// What the tests of the CUDA device share: an emulated device, kernels of a few lines, buffers and how a failure looks.

import type { KernelBody } from '../../codegen/kernel.ts';
import {
  add,
  f32,
  i32,
  laneIndex,
  less,
  letOf,
  load,
  local,
  multiply,
  sizeOf,
  store,
  toF32,
  when,
  workgroupIndex,
} from '../../codegen/kernel-build.ts';
import type { Kernel, Sizes } from '../../targets/device.ts';
import { openCuda, type CudaDevice, type CudaOptions } from '../../targets/cuda/device/index.ts';
import { findHostCompiler } from '../../targets/cuda/emulate/build.ts';
import { cuda } from '../../targets/cuda/printer.ts';

export { floats, whole } from '../device/programs.ts';
export { failure } from '../device/fixture.ts';

/** Whether there is a C++ compiler; tests that need one are skipped where there is none. */
export const emulates = (await findHostCompiler()) !== null;

export const openTestDevice = (options: CudaOptions = {}): Promise<CudaDevice> =>
  openCuda({ emulate: true, ...options });

/** result[k] = 2 input[k] + tokens, for k < tokens. */
export const double: KernelBody = {
  name: 'double_of',
  workgroup: 32,
  bindings: [
    { name: 'input', type: 'f32', access: 'read' },
    { name: 'result', type: 'f32', access: 'read_write' },
  ],
  shared: [],
  arrays: [],
  statements: [
    letOf('index', add(multiply(workgroupIndex, i32(32)), laneIndex)),
    ...when(less(local('index', 'i32'), sizeOf('tokens')), [
      store(
        'result',
        local('index', 'i32'),
        add(multiply(f32(2), load('input', local('index', 'i32'))), toF32(sizeOf('tokens'))),
      ),
    ]),
  ],
};

export const kernelFrom = (body: KernelBody, groups: (sizes: Sizes) => number): Kernel => ({
  name: body.name,
  language: 'cuda',
  product: null,
  source: `${body.name}.pe:1`,
  bindings: body.bindings,
  variants: [{ profile: 'software', workgroup: body.workgroup, code: cuda.kernel(body, body.name), groups }],
});

export const doubled = kernelFrom(double, ({ tokens }) => Math.ceil(tokens / 32));

/** Runs something with environment variables set. */
export async function withEnvironment<T>(
  values: Readonly<Record<string, string>>,
  run: () => Promise<T> | T,
): Promise<T> {
  const before = Object.keys(values).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, values);
  try {
    return await run();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
