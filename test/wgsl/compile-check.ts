// Compiles WGSL with Tint on Dawn's null backend, which needs no driver: text comes in, messages go out, none if it is
// valid in every respect that can be known without running it (types, uniformity of barriers, limits of a pipeline).

import type { create as createType } from 'webgpu';

export interface CompileMessage {
  readonly line: number; // of the text, from 1; 0: of the pipeline as a whole
  readonly text: string;
}

// Kept for the life of the process: Dawn crashes when the object that made a device is collected.
let device: Promise<{ readonly gpu: ReturnType<typeof createType>; readonly device: GPUDevice }> | null = null;

async function open() {
  const { create } = await import('webgpu');
  const gpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error("Dawn's null backend gave no adapter");
  const features = (['subgroups'] as const).filter((feature) => adapter.features.has(feature));
  const opened = await adapter.requestDevice({ requiredFeatures: [...features] });
  // What goes wrong is reported below, through the error scope.
  opened.addEventListener('uncapturederror', (event) => {
    throw new Error(event.error.message);
  });
  return { gpu, device: opened };
}

export async function compileCheck(code: string): Promise<readonly CompileMessage[]> {
  const opened = await (device ??= open());
  opened.device.pushErrorScope('validation');
  const module = opened.device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  const found = messages
    .filter(({ type }) => type !== 'info')
    .map(({ lineNum, message, type }) => ({ line: lineNum, text: `${type}: ${message}` }));
  if (found.length === 0) {
    try {
      await opened.device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
    } catch (error) {
      found.push({ line: 0, text: String(error) });
    }
  }
  const error = await opened.device.popErrorScope();
  if (error !== null && found.length === 0) found.push({ line: 0, text: error.message });
  return found;
}
