// pegen devices: what can run kernels here, which one `--device auto` takes, and why others cannot.

import type { Command } from 'commander';
import type { Listed } from '../list-devices.ts';
import { printJson, table } from '../show.ts';

interface Flags {
  readonly json?: boolean;
  readonly emulate?: boolean;
}

export function addDevices(command: Command): void {
  command
    .option('--emulate', 'list the emulation of CUDA on this CPU in the place of a GPU')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ pegen devices
  $ pegen devices --json

The first is what --device auto takes. --device reference is the float64 interpreter and always there.`,
    )
    .action(run);
}

async function run({ json, emulate = false }: Flags): Promise<void> {
  const { listDevices } = await import('../list-devices.ts');
  const listed = await listDevices(emulate);
  const taken = listed.find(({ available, device }) => available && device !== 'reference');
  if (json === true) return printJson(listed.map((each) => ({ ...each, taken: each === taken })));
  const rows = listed.flatMap((each) => (each.available ? [[each === taken ? 'auto' : '', ...cells(each)]] : []));
  console.log(table([['', 'device', 'adapter', 'memory', ''], ...rows]));
  for (const each of listed) if (!each.available) console.log(`\n${each.device} is not there: ${each.why}`);
}

function cells(each: Extract<Listed, { available: true }>): readonly string[] {
  switch (each.device) {
    case 'cuda':
      return [
        each.device,
        each.adapter,
        memory(each.bytes),
        [
          each.bf16 ? 'f32, bf16' : 'f32; bf16 needs capability 8.0',
          `capability ${each.capability}`,
          `CUDA ${each.driver}`,
          each.compiler,
          each.library ?? 'no cuBLASLt: matrix products by own kernels',
        ].join('; '),
      ];
    case 'webgpu':
    case 'swiftshader':
      return [
        each.device,
        each.adapter,
        `${memory(each.bytes)} a binding`,
        `f32; ${each.kernels} kernels${each.timestamps ? '' : ', no timestamps'}`,
      ];
    case 'cpu':
      return [
        each.device,
        each.adapter,
        memory(each.bytes),
        [
          'f32; WebAssembly SIMD',
          each.threads === 1 ? '1 thread' : `${each.threads} threads`,
          `matrix products: ${each.products}`,
        ].join('; '),
      ];
    case 'reference':
      return [each.device, each.adapter, '', 'float64'];
    default:
      return each satisfies never;
  }
}

const memory = (bytes: number): string =>
  bytes >= 2 ** 32 ? `${Math.round(bytes / 2 ** 30)} GiB` : `${Math.floor(bytes / 2 ** 20)} MiB`;
