// The flags of WebGPU that the device uses, by value: Node has no global GPUBufferUsage.

export const usage = {
  mapRead: 0x1,
  copyFrom: 0x4,
  copyTo: 0x8,
  uniform: 0x40,
  storage: 0x80,
  queryResolve: 0x200,
} as const;
export const mapModeRead = 0x1;
export const computeStage = 0x4;
