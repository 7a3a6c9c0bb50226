// Kernels become translation units: texts come in, units with the prelude, the kernels under names of their own and lines
// that lead back to each of them go out; and what a compiler complains of is told with the kernel and its `.pe` line.

import { DeviceError, type Kernel } from '../../device.ts';
import { hashOf } from './cache.ts';
import { renameEntry } from '../entry.ts';

/** One kernel's text as it is compiled. */
export interface KernelText {
  readonly kernel: Kernel; // one that has this text
  readonly code: string;
  readonly wide: boolean; // 64-bit offsets
  readonly key: string; // of all that its machine code depends on
}

export interface Unit {
  readonly name: string;
  readonly text: string;
  readonly kernels: readonly KernelText[];
}

/** Of all that a kernel's machine code depends on. */
export const kernelKey = (compiler: string, prelude: string, name: string, code: string, wide: boolean): string =>
  hashOf(compiler, prelude, `${wide ? 'wide' : 'plain'} ${name}\n${code}`);

/** The kernel's name in a unit, where several may be called the same. */
export const symbolOf = ({ kernel, key }: Pick<KernelText, 'kernel' | 'key'>): string =>
  `${kernel.name}_${key.slice(0, 12)}`;

/** Units of at most `bytes` of text (one kernel at least), in an order that follows from the texts alone. */
export function unitsOf(texts: readonly KernelText[], prelude: string, bytes: number): readonly Unit[] {
  const order = texts.toSorted(
    (a, b) => Number(a.wide) - Number(b.wide) || compare(a.kernel.name, b.kernel.name) || compare(a.key, b.key),
  );
  const chunks: KernelText[][] = [];
  let size = Infinity;
  for (const text of order) {
    const last = chunks.at(-1);
    if (last === undefined || size + text.code.length > bytes || last[0]!.wide !== text.wide) {
      chunks.push([text]);
      size = text.code.length;
    } else {
      last.push(text);
      size += text.code.length;
    }
  }
  return chunks.map((kernels) => unitOf(kernels, prelude));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function unitOf(kernels: readonly KernelText[], prelude: string): Unit {
  const text = [
    kernels[0]!.wide ? '#define PEGEN_WIDE 1\n' : '',
    prelude,
    ...kernels.map((each) => {
      const symbol = symbolOf(each);
      return `\n#line 1 "${symbol}.cu"\n${renameEntry(each.code, each.kernel.name, symbol)}\n`;
    }),
  ].join('');
  return { name: symbolOf(kernels[0]!), text, kernels };
}

/** A compiler's log of a unit: the first complaint's kernel and line, or the first line of the log. */
export function compileError(unit: Unit, log: string, compiler: string): DeviceError {
  for (const line of log.split('\n')) {
    const match = /^(?:.*\/)?(\w+)\.cu[(:](\d+)[^\n]*?\berror\b\s*:?\s*(.*)$/.exec(line.trim());
    const at = unit.kernels.find((each) => symbolOf(each) === match?.[1]);
    if (match === null || at === undefined) continue;
    const { kernel, code } = at;
    const shown = code.split('\n')[Number(match[2]) - 1]?.trim() ?? '';
    return new DeviceError(
      'invalid-kernel',
      `the kernel ${kernel.name} (${kernel.source}) does not compile: line ${match[2]} of its CUDA C++: ` +
        `${match[3]}\n    ${shown}\n    (${compiler})`,
      kernel.name,
      kernel.source,
    );
  }
  const [only] = unit.kernels;
  const names = [...new Set(unit.kernels.map(({ kernel }) => `${kernel.name} (${kernel.source})`))].join(', ');
  const first =
    log.split('\n').find((line) => /error/i.test(line)) ?? log.split('\n').find((line) => line !== '') ?? '';
  const one = unit.kernels.length === 1 ? only!.kernel : null;
  return new DeviceError(
    'invalid-kernel',
    `${compiler} does not compile ${names}: ${first.trim()}`,
    one?.name ?? null,
    one?.source ?? null,
  );
}
