// Finds an adapter and opens a device on it with all the limits that it has. In a browser the adapter is navigator.gpu's;
// in Node it comes from the npm package `webgpu` (Dawn): the system's own driver, else the software driver SwiftShader.

import type { Profile } from '../../device.ts';
import { DeviceError } from '../../device.ts';

export interface AdapterChoice {
  /** auto: the system's adapter, else SwiftShader (Node only); hardware: the system's, unless it is a software driver. */
  readonly adapter?: 'auto' | 'system' | 'hardware' | 'swiftshader';
  /** Which variants of kernels to run; the default follows from the adapter. */
  readonly profile?: Profile;
  /** checked: the driver checks every index once more, as browsers always do; the default is trusted. */
  readonly bounds?: 'trusted' | 'checked';
  /** Limits below the adapter's own, for tests of small devices. */
  readonly limits?: Readonly<Partial<Record<LimitName, number>>>;
}

type LimitName = (typeof limitNames)[number];

const limitNames = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupsPerDimension',
] as const;

export interface AdapterSummary {
  readonly description: string; // 'SwiftShader driver 5.0.0 (google swiftshader)'
  readonly source: 'browser' | 'system' | 'swiftshader';
  readonly software: boolean;
  readonly profile: Profile;
  readonly timestamps: boolean;
  readonly limits: Readonly<Record<LimitName, number>>;
}

export interface Found {
  readonly adapter: GPUAdapter;
  readonly summary: AdapterSummary;
}

export interface Opened extends Found {
  readonly device: GPUDevice;
  readonly browser: boolean;
}

const inBrowser = (): boolean => typeof navigator !== 'undefined' && 'gpu' in navigator && navigator.gpu !== undefined;

/** The adapter of a choice, or null. */
export async function findAdapter({
  adapter: wanted = 'auto',
  bounds = 'trusted',
}: AdapterChoice): Promise<Found | null> {
  const hardware = wanted === 'hardware';
  const summed = (adapter: GPUAdapter | null, source: AdapterSummary['source']): Found | null => {
    if (adapter === null) return null;
    const summary = summarise(adapter, source);
    return hardware && summary.software ? null : { adapter, summary };
  };
  if (inBrowser())
    return summed(await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' }), 'browser');
  const { systemAdapter, swiftShaderAdapter } = await import('./node.ts');
  if (wanted !== 'swiftshader') {
    const found = summed(await systemAdapter(bounds, hardware), 'system');
    if (found !== null) return found;
  }
  if (wanted === 'system' || hardware) return null;
  const adapter = await swiftShaderAdapter(bounds);
  return adapter === null ? null : { adapter, summary: summarise(adapter, 'swiftshader') };
}

export async function openAdapter(choice: AdapterChoice): Promise<Opened> {
  const found = await findAdapter(choice);
  if (found === null) {
    throw new DeviceError(
      'unavailable',
      inBrowser()
        ? 'this browser gives no WebGPU adapter; turn on hardware acceleration, or use another browser'
        : choice.adapter === 'hardware'
          ? 'no hardware adapter: install the Vulkan driver of the GPU'
          : 'no WebGPU adapter: there is no Vulkan driver, and the software driver was not found; ' +
            'install the npm package @sparticuz/chromium (Linux, x64), which carries it',
    );
  }
  const { adapter, summary } = found;
  const wanted = limitNames.map((name) => [name, Math.min(choice.limits?.[name] ?? Infinity, adapter.limits[name])]);
  const features = (['timestamp-query', 'subgroups'] as const).filter((feature) => adapter.features.has(feature));
  const device = await adapter.requestDevice({
    label: 'pegen',
    requiredFeatures: features as GPUFeatureName[],
    requiredLimits: Object.fromEntries(wanted) as Record<string, number>,
  });
  const limits = Object.fromEntries(limitNames.map((name) => [name, device.limits[name]])) as Record<LimitName, number>;
  for (const [name, value] of Object.entries(choice.limits ?? {})) {
    limits[name as LimitName] = Math.min(limits[name as LimitName], value);
  }
  const profile = choice.profile ?? summary.profile;
  if (profile === 'subgroups' && !device.features.has('subgroups')) {
    throw new DeviceError('unavailable', `${summary.description} has no subgroup operations`);
  }
  return { adapter, device, browser: summary.source === 'browser', summary: { ...summary, profile, limits } };
}

function summarise(adapter: GPUAdapter, source: AdapterSummary['source']): AdapterSummary {
  const { info } = adapter;
  const words = [info.vendor, info.architecture].filter((word) => word !== '').join(' ');
  const own = info.description || info.device;
  const description = own === '' ? words || 'an unnamed adapter' : words === '' ? own : `${own} (${words})`;
  const fallback = info.isFallbackAdapter === true;
  const software = fallback || /swiftshader|llvmpipe|lavapipe|softpipe|software|basic render|warp/i.test(description);
  return {
    description,
    source,
    software,
    profile: software ? 'software' : adapter.features.has('subgroups') ? 'subgroups' : 'portable',
    timestamps: adapter.features.has('timestamp-query'),
    limits: Object.fromEntries(limitNames.map((name) => [name, adapter.limits[name]])) as Record<LimitName, number>,
  };
}
