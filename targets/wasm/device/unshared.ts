// Modules are printed for shared memory. Where nothing can be shared (a page that is not cross-origin isolated) the same
// module comes in and one that imports memory of a single thread goes out: one flag of its first imported memory differs.

const sharedFlags = 3;
const ownFlags = 1; // with a maximum, not shared

export function unshared(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const at = memoryFlags(module);
  if (at === null || module[at] !== sharedFlags) return module;
  const changed = module.slice();
  changed[at] = ownFlags;
  return changed;
}

/** Where the flags of the first imported memory stand. */
function memoryFlags(module: Uint8Array): number | null {
  let at = 8; // after the magic number and the version
  const unsigned = (): number => {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = module[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  const skipName = (): void => {
    const length = unsigned(); // which moves `at`
    at += length;
  };
  const skipLimits = (): void => {
    const flags = module[at++]!;
    unsigned();
    if ((flags & 1) !== 0) unsigned();
  };
  while (at < module.length) {
    const section = module[at++];
    const end = unsigned() + at;
    if (section !== 2) {
      at = end;
      continue;
    }
    const count = unsigned();
    for (let index = 0; index < count; index += 1) {
      skipName(); // of the module
      skipName();
      const kind = module[at++];
      if (kind === 2) return at;
      if (kind === 0) unsigned();
      else if (kind === 1) {
        at += 1;
        skipLimits();
      } else at += 2;
    }
    return null;
  }
  return null;
}
