// The line of a kernel's text that names its function: several kernels of one name stand in one translation unit, each
// under a name of its own. A macro would not do: a kernel may be called `x`, as a field of threadIdx is.

/** `code` with its function `from` named otherwise; as it is where it has none of that name. */
export const renameEntry = (code: string, from: string, to: string): string =>
  code.replace(
    new RegExp(String.raw`^(extern "C" __global__ void (?:__launch_bounds__\(\d+\) )?)${from}\(`, 'm'),
    (_, head: string) => `${head}${to}(`,
  );
