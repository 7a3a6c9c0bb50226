// Compute pipelines, one for each text of a kernel: chosen among the kernel's variants by what the adapter can do, compiled
// in parallel, kept for the life of the device. What does not compile is told with the kernel and its `.pe` line.

import { bytesText } from '../../bytes.ts';
import type { Kernel, KernelVariant } from '../../device.ts';
import { DeviceError } from '../../device.ts';
import { bestVariant, variantsText } from '../../variants.ts';
import type { AdapterSummary } from './adapter.ts';
import { computeStage } from './constants.ts';
import { firstLine, type Failures } from './errors.ts';

export interface Pipelines {
  prepare(kernels: readonly Kernel[]): Promise<void>;
  /** Of a kernel that has been prepared. */
  get(kernel: Kernel): Prepared;
}

interface Prepared {
  readonly variant: KernelVariant;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** The variant that runs on an adapter. */
function chooseVariant(kernel: Kernel, { profile, limits }: AdapterSummary, subgroups: boolean): KernelVariant {
  const most = limits.maxComputeInvocationsPerWorkgroup;
  const found = bestVariant(
    kernel,
    profile,
    (variant) => variant.workgroup <= most && (variant.profile !== 'subgroups' || subgroups),
  );
  if (found !== null) return found;
  throw new DeviceError(
    'limit',
    `${kernel.name} has no variant for this adapter: ${variantsText(kernel)}; the adapter allows ${most} lanes${subgroups ? '' : ' and no subgroup operations'}`,
    kernel.name,
    kernel.source,
  );
}

export function createPipelines(device: GPUDevice, summary: AdapterSummary, failures: Failures): Pipelines {
  const layouts = new Map<string, { readonly group: GPUBindGroupLayout; readonly pipeline: GPUPipelineLayout }>();
  const compiled = new Map<string, Promise<Prepared>>(); // by layout and text
  const prepared = new Map<Kernel, Prepared>();
  const subgroups = device.features.has('subgroups');

  const layoutOf = (kernel: Kernel) => {
    const key = kernel.bindings.map(({ access }) => (access === 'read' ? 'r' : 'w')).join('');
    const known = layouts.get(key);
    if (known !== undefined) return { key, ...known };
    const group = device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility: computeStage, buffer: { type: 'uniform' } },
        ...kernel.bindings.map(({ access }, index): GPUBindGroupLayoutEntry => ({
          binding: index + 1,
          visibility: computeStage,
          buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
        })),
      ],
    });
    const made = { group, pipeline: device.createPipelineLayout({ bindGroupLayouts: [group] }) };
    layouts.set(key, made);
    return { key, ...made };
  };

  const compile = async (kernel: Kernel, variant: KernelVariant): Promise<Prepared> => {
    const layout = layoutOf(kernel);
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label: kernel.name, code: variant.code });
    const scope = device.popErrorScope();
    scope.catch(() => undefined);
    try {
      const pipeline = await device.createComputePipelineAsync({
        label: kernel.name,
        layout: layout.pipeline,
        compute: { module },
      });
      return { variant, pipeline, layout: layout.group };
    } catch (error) {
      failures.check();
      const { messages } = await module.getCompilationInfo();
      const worst = messages.find(({ type }) => type === 'error');
      const what =
        worst === undefined
          ? firstLine(error instanceof Error ? error.message : String(error))
          : `line ${worst.lineNum} of its WGSL: ${firstLine(worst.message)}\n    ${
              variant.code.split('\n')[worst.lineNum - 1]?.trim() ?? ''
            }`;
      throw new DeviceError(
        'invalid-kernel',
        `the kernel ${kernel.name} (${kernel.source}) does not compile: ${what}`,
        kernel.name,
        kernel.source,
      );
    }
  };

  return {
    async prepare(kernels) {
      const most = summary.limits.maxStorageBuffersPerShaderStage;
      for (const kernel of kernels) {
        if (kernel.bindings.length > most) {
          throw new DeviceError(
            'limit',
            `${kernel.name} binds ${kernel.bindings.length} buffers; this adapter allows ${most}`,
            kernel.name,
            kernel.source,
          );
        }
      }
      const work = kernels.map(async (kernel) => {
        if (prepared.has(kernel)) return;
        const variant = chooseVariant(kernel, summary, subgroups);
        const key = `${layoutOf(kernel).key}\n${variant.code}`;
        let pending = compiled.get(key);
        if (pending === undefined) compiled.set(key, (pending = compile(kernel, variant)));
        // Kernels that share a text may still differ in how many workgroups they need.
        prepared.set(kernel, { ...(await pending), variant });
      });
      await failures.wait(Promise.all(work));
    },
    get(kernel) {
      const found = prepared.get(kernel);
      if (found === undefined) throw new Error(`the kernel ${kernel.name} has not been prepared`);
      return found;
    },
  };
}

/** Refuses a binding that is too large, with both numbers. */
export function checkBinding(name: string, bytes: number, summary: AdapterSummary, kernel: Kernel | null): void {
  const most = Math.min(summary.limits.maxStorageBufferBindingSize, summary.limits.maxBufferSize);
  if (bytes <= most) return;
  throw new DeviceError(
    'limit',
    `${name} needs ${bytesText(bytes)} (${bytes} bytes) in one binding; ${summary.description} allows ${bytesText(most)} ` +
      `(${most} bytes): use a smaller batch, context, vocabulary or model, or another device`,
    kernel?.name ?? null,
    kernel?.source ?? null,
  );
}
