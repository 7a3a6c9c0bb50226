// Instructions of WebAssembly that kernels use, by name: the code, and what each gives. Below 256: one byte; 0xfc.. and 0xfd..:
// a prefix and a number. Numbers from the core specification 2.0 with fixed-width SIMD.

export type WasmType = 'i32' | 'f32' | 'v128';

const fc = (code: number): number => 0xfc00 + code;
const fd = (code: number): number => 0xfd00 + code;

/** Arguments from the stack, nothing else. */
export const plainOps = {
  'i32.eqz': 0x45,
  'i32.eq': 0x46,
  'i32.ne': 0x47,
  'i32.lt_s': 0x48,
  'i32.le_s': 0x4c,
  'i32.popcnt': 0x69,
  'i32.add': 0x6a,
  'i32.sub': 0x6b,
  'i32.mul': 0x6c,
  'i32.div_s': 0x6d,
  'i32.rem_s': 0x6f,
  'i32.and': 0x71,
  'i32.or': 0x72,
  'i32.xor': 0x73,
  'i32.shl': 0x74,
  'i32.shr_s': 0x75,
  'f32.eq': 0x5b,
  'f32.ne': 0x5c,
  'f32.lt': 0x5d,
  'f32.le': 0x5f,
  'f32.abs': 0x8b,
  'f32.neg': 0x8c,
  'f32.ceil': 0x8d,
  'f32.floor': 0x8e,
  'f32.nearest': 0x90,
  'f32.sqrt': 0x91,
  'f32.add': 0x92,
  'f32.sub': 0x93,
  'f32.mul': 0x94,
  'f32.div': 0x95,
  'f32.convert_i32_s': 0xb2,
  'i32.reinterpret_f32': 0xbc,
  'f32.reinterpret_i32': 0xbe,
  'i32.trunc_sat_f32_s': fc(0),
  select: 0x1b,
  'i32x4.splat': fd(0x11),
  'f32x4.splat': fd(0x13),
  'i32x4.eq': fd(0x37),
  'i32x4.ne': fd(0x38),
  'i32x4.lt_s': fd(0x39),
  'i32x4.le_s': fd(0x3d),
  'f32x4.eq': fd(0x41),
  'f32x4.ne': fd(0x42),
  'f32x4.lt': fd(0x43),
  'f32x4.le': fd(0x45),
  'v128.not': fd(0x4d),
  'v128.and': fd(0x4e),
  'v128.or': fd(0x50),
  'v128.xor': fd(0x51),
  'v128.bitselect': fd(0x52),
  'v128.any_true': fd(0x53),
  'i8x16.popcnt': fd(0x62),
  'i16x8.extadd_pairwise_i8x16_u': fd(0x7d),
  'i32x4.extadd_pairwise_i16x8_u': fd(0x7f),
  'f32x4.ceil': fd(0x67),
  'f32x4.floor': fd(0x68),
  'f32x4.nearest': fd(0x6a),
  'i32x4.abs': fd(0xa0),
  'i32x4.neg': fd(0xa1),
  'i32x4.all_true': fd(0xa3),
  'i32x4.bitmask': fd(0xa4),
  'i32x4.shl': fd(0xab),
  'i32x4.shr_s': fd(0xac),
  'i32x4.add': fd(0xae),
  'i32x4.sub': fd(0xb1),
  'i32x4.mul': fd(0xb5),
  'i32x4.min_s': fd(0xb6),
  'i32x4.max_s': fd(0xb8),
  'f32x4.abs': fd(0xe0),
  'f32x4.neg': fd(0xe1),
  'f32x4.sqrt': fd(0xe3),
  'f32x4.add': fd(0xe4),
  'f32x4.sub': fd(0xe5),
  'f32x4.mul': fd(0xe6),
  'f32x4.div': fd(0xe7),
  'f32x4.pmin': fd(0xea),
  'f32x4.pmax': fd(0xeb),
  'i32x4.trunc_sat_f32x4_s': fd(0xf8),
  'f32x4.convert_i32x4_s': fd(0xfa),
} as const;
export type PlainOp = keyof typeof plainOps;

/** A component's number stands in the instruction. */
export const componentOps = {
  'i32x4.extract_lane': fd(0x1b),
  'i32x4.replace_lane': fd(0x1c),
  'f32x4.extract_lane': fd(0x1f),
} as const;
export type ComponentOp = keyof typeof componentOps;

export const loadOps = {
  'i32.load': 0x28,
  'f32.load': 0x2a,
  'v128.load': fd(0x00),
  'v128.load32_splat': fd(0x09),
  'v128.load32_zero': fd(0x5c),
} as const;
export type LoadOp = keyof typeof loadOps;

export const storeOps = { 'i32.store': 0x36, 'f32.store': 0x38, 'v128.store': fd(0x0b) } as const;
export type StoreOp = keyof typeof storeOps;

/** One component from or to memory. */
export const componentMemoryOps = { 'v128.load32_lane': fd(0x56), 'v128.store32_lane': fd(0x5a) } as const;

/** Everything else that the encoder writes. */
export const codes = {
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  br_if: 0x0d,
  call: 0x10,
  'local.get': 0x20,
  'local.set': 0x21,
  'local.tee': 0x22,
  'i32.const': 0x41,
  'f32.const': 0x43,
  'v128.const': fd(0x0c),
  'i8x16.shuffle': fd(0x0d),
} as const;
