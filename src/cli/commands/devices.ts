// pegen devices: what can run kernels here, and which one `--device auto` takes.

import type { Command } from 'commander';
import { failed } from '../failure.ts';
import { printJson, table } from '../show.ts';

export function addDevices(command: Command): void {
  command
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Example:
  $ pegen devices

The first is what --device auto takes. --device reference is the float64 interpreter and always there.`,
    )
    .action(run);
}

async function run(flags: { readonly json?: boolean }): Promise<void> {
  const { listAdapters } = await import('../../../targets/wgsl/device/index.ts');
  const adapters = await listAdapters();
  const rows = adapters.map((each, n) => ({
    device: each.source === 'swiftshader' ? 'swiftshader' : 'webgpu',
    taken: n === 0,
    adapter: each.description,
    kernels: each.profile,
    binding: each.limits.maxStorageBufferBindingSize,
    timestamps: each.timestamps,
  }));
  if (flags.json === true) return printJson(rows);
  if (rows.length === 0)
    throw failed(
      'no WebGPU adapter was found',
      'install the npm package @sparticuz/chromium (Linux, x64), which carries a software driver',
    );
  const mebibytes = (bytes: number): string => `${Math.floor(bytes / 2 ** 20)} MiB`;
  console.log(
    table([
      ['', 'device', 'adapter', 'kernels', 'largest binding', 'timestamps'],
      ...rows.map((row) => [
        row.taken ? 'auto' : '',
        row.device,
        row.adapter,
        row.kernels,
        mebibytes(row.binding),
        row.timestamps ? 'yes' : 'no',
      ]),
      ['', 'reference', 'float64 interpreter: check and verify only', '', '', ''],
    ]),
  );
}
