// Which kernel was at fault. The driver tells of a fault some calls later, so the message names the kernel where it is
// known, and else all that were launched since the device was last known to be well.

export interface Launched {
  readonly name: string;
  readonly source: string; // 'carope.pe:9'
}

/** The setting under which every launch is waited for. */
export const checkVariable = 'PEGEN_CUDA_CHECK';

const named = 12; // kernels in a message

/** ' in rotate (carope.pe:9)', or whom it may have been. */
export function attributed(kernel: Launched | null, since: readonly Launched[]): string {
  if (kernel !== null) return ` in ${kernel.name} (${kernel.source})`;
  const names = [...new Set(since.map(({ name, source }) => `${name} (${source})`))];
  if (names.length === 0) return '';
  if (names.length === 1) return ` in ${names[0]}`;
  const rest = names.length > named ? ` and ${names.length - named} more` : '';
  return (
    `; it was one of ${names.slice(0, named).join(', ')}${rest}: ` +
    `set ${checkVariable}=1 to wait after every launch and learn which`
  );
}
