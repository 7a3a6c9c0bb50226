// Amounts of memory in words, for messages of every device.

/** 134217728 as '128.0 MiB (134217728 bytes)'. */
export const exactBytesText = (bytes: number): string =>
  bytes < 2 ** 20 ? bytesText(bytes) : `${bytesText(bytes)} (${bytes} bytes)`;

/** 134217728 as '128.0 MiB'. */
export function bytesText(bytes: number): string {
  if (bytes < 2 ** 20) return `${bytes} bytes`;
  return bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
