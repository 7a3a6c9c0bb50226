// Encodes and submits a record: consecutive dispatches share a pass, and the driver orders them. In browsers the list is
// cut into short command buffers, so that the page stays alive. With timestamps each dispatch has a pass of its own.

import type { KernelTime } from '../../device.ts';
import { mapModeRead, usage } from './constants.ts';
import type { Command } from './record.ts';

/** Dispatches in one command buffer of a browser. */
const browserChunk = 32;

export function submit(device: GPUDevice, commands: readonly Command[], browser: boolean): void {
  const size = browser ? browserChunk : Math.max(1, commands.length);
  for (let start = 0; start < commands.length; start += size) {
    const encoder = device.createCommandEncoder();
    encode(encoder, commands.slice(start, start + size));
    device.queue.submit([encoder.finish()]);
  }
}

function encode(encoder: GPUCommandEncoder, commands: readonly Command[]): void {
  let pass: GPUComputePassEncoder | null = null;
  for (const command of commands) {
    if (command.kind === 'dispatch') {
      pass ??= encoder.beginComputePass();
      dispatch(pass, command);
      continue;
    }
    pass?.end();
    pass = null;
    transfer(encoder, command);
  }
  pass?.end();
}

function dispatch(pass: GPUComputePassEncoder, command: Extract<Command, { kind: 'dispatch' }>): void {
  pass.setPipeline(command.pipeline);
  pass.setBindGroup(0, command.group);
  pass.dispatchWorkgroups(command.x, command.y);
}

function transfer(encoder: GPUCommandEncoder, command: Exclude<Command, { kind: 'dispatch' }>): void {
  if (command.kind === 'clear') {
    encoder.clearBuffer(command.view.buffer, command.view.offset, command.view.bytes);
    return;
  }
  const { from, to } = command;
  encoder.copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset, Math.min(from.bytes, to.bytes));
}

/** Query sets hold at most 4096 timestamps, two a dispatch. */
const profiledChunk = 2048;

/** Runs once and gives the time of each kernel, longest first. */
export async function submitTimed(device: GPUDevice, commands: readonly Command[]): Promise<readonly KernelTime[]> {
  const totals = new Map<string, { launches: number; milliseconds: number }>();
  for (let start = 0; start < commands.length; start += profiledChunk) {
    const chunk = commands.slice(start, start + profiledChunk);
    const names = chunk.flatMap((command) => (command.kind === 'dispatch' ? [command.name] : []));
    const times = await timeChunk(device, chunk, names.length);
    names.forEach((name, index) => {
      const total = totals.get(name) ?? { launches: 0, milliseconds: 0 };
      total.launches += 1;
      total.milliseconds += Number(times[2 * index + 1]! - times[2 * index]!) / 1e6;
      totals.set(name, total);
    });
  }
  return [...totals]
    .map(([kernel, total]) => ({ kernel, ...total }))
    .toSorted((a, b) => b.milliseconds - a.milliseconds);
}

/** Nanoseconds at the beginning and end of each dispatch. */
async function timeChunk(device: GPUDevice, commands: readonly Command[], count: number): Promise<BigUint64Array> {
  const bytes = Math.max(1, count) * 16;
  const querySet = device.createQuerySet({ type: 'timestamp', count: Math.max(1, count) * 2 });
  const resolved = device.createBuffer({ size: bytes, usage: usage.queryResolve | usage.copyFrom });
  const mapped = device.createBuffer({ size: bytes, usage: usage.mapRead | usage.copyTo });
  const encoder = device.createCommandEncoder();
  let index = 0;
  for (const command of commands) {
    if (command.kind !== 'dispatch') {
      transfer(encoder, command);
      continue;
    }
    const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * index, endOfPassWriteIndex: 2 * index + 1 };
    const pass = encoder.beginComputePass({ timestampWrites });
    dispatch(pass, command);
    pass.end();
    index += 1;
  }
  encoder.resolveQuerySet(querySet, 0, 2 * Math.max(1, count), resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, mapped, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await mapped.mapAsync(mapModeRead);
  const times = new BigUint64Array(mapped.getMappedRange().slice(0));
  for (const each of [querySet, resolved, mapped]) each.destroy();
  return times;
}
