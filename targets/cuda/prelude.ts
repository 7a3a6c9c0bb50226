// The text that stands once above any number of kernels: types, bf16, accesses of several elements, integers that wrap,
// reductions over a warp. It includes nothing, so NVRTC needs no headers; with PEGEN_WIDE defined above it, index_t has 64
// bits. It uses, of the language: __global__, __device__, __shared__, threadIdx, blockIdx, __syncthreads, __shfl_xor_sync,
// __float_as_int, __int_as_float, __float_as_uint, __uint_as_float, __popc, float2, float4, int2, int4, uint2, uint4, libm.

const scalars = `
#ifdef PEGEN_WIDE
typedef long long index_t;
#else
typedef int index_t;
#endif

// An int, 64 bits wide in arithmetic where index_t is.
struct Extent {
  int value;
  __device__ operator index_t() const { return value; }
};

struct Sizes {
  Extent batch, tokens, keys, first, capacity, groups;
};

struct bf16 {
  unsigned short bits;
};

inline __device__ float widen(bf16 value) { return __uint_as_float((unsigned int)value.bits << 16); }

// To the nearest, ties to even.
inline __device__ bf16 narrow(float value) {
  bf16 result;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
#else
  const unsigned int bits = __float_as_uint(value);
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  result.bits = (unsigned short)(nan ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
#endif
  return result;
}

// Two bf16 in one word, the first in its lower half.
inline __device__ unsigned int narrow_pair(float first, float second) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  unsigned int pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
  return pair;
#else
  return narrow(first).bits | (unsigned int)narrow(second).bits << 16;
#endif
}

inline __device__ void widen_pair(float* to, unsigned int pair) {
  to[0] = __uint_as_float(pair << 16);
  to[1] = __uint_as_float(pair & 0xffff0000u);
}
`;

const wrapping = `
inline __device__ int wrapping_add(int a, int b) { return int((unsigned int)a + (unsigned int)b); }
inline __device__ int wrapping_subtract(int a, int b) { return int((unsigned int)a - (unsigned int)b); }
inline __device__ int wrapping_multiply(int a, int b) { return int((unsigned int)a * (unsigned int)b); }
inline __device__ int wrapping_negate(int a) { return int(0u - (unsigned int)a); }
inline __device__ int wrapping_shift_left(int a, int by) { return int((unsigned int)a << by); }

inline __device__ int magnitude(int a) { return a < 0 ? wrapping_negate(a) : a; }
inline __device__ long long magnitude(long long a) { return a < 0 ? -a : a; }
inline __device__ int least(int a, int b) { return b < a ? b : a; }
inline __device__ long long least(long long a, long long b) { return b < a ? b : a; }
inline __device__ long long least(long long a, int b) { return b < a ? b : a; }
inline __device__ long long least(int a, long long b) { return b < a ? b : a; }
inline __device__ int greatest(int a, int b) { return b > a ? b : a; }
inline __device__ long long greatest(long long a, long long b) { return b > a ? b : a; }
inline __device__ long long greatest(long long a, int b) { return b > a ? b : a; }
inline __device__ long long greatest(int a, long long b) { return b > a ? b : a; }
`;

/** Words of a vector type. */
const words = ['x', 'y', 'z', 'w'];

/** One access of 2 or 4 numbers of 4 bytes. */
function accessesOf(type: 'float' | 'int', count: 2 | 4): string {
  const vector = `${type}${count}`;
  const parts = words.slice(0, count);
  return `
inline __device__ void load_${count}(${type}* to, const ${type}* from) {
  const ${vector} all = *reinterpret_cast<const ${vector}*>(from);
${parts.map((part, index) => `  to[${index}] = all.${part};`).join('\n')}
}
inline __device__ void store_${count}(${type}* to, const ${type}* from) {
  ${vector} all;
${parts.map((part, index) => `  all.${part} = from[${index}];`).join('\n')}
  *reinterpret_cast<${vector}*>(to) = all;
}
`;
}

/** One access of 2, 4 or 8 bf16. */
function narrowAccessesOf(count: 2 | 4 | 8): string {
  const vector = count === 2 ? 'unsigned int' : `uint${count / 2}`;
  const parts = words.slice(0, count / 2).map((word) => (count === 2 ? 'all' : `all.${word}`));
  return `
inline __device__ void load_${count}(float* to, const bf16* from) {
  const ${vector} all = *reinterpret_cast<const ${vector}*>(from);
${parts.map((part, index) => `  widen_pair(to + ${2 * index}, ${part});`).join('\n')}
}
inline __device__ void store_${count}(bf16* to, const float* from) {
  ${vector} all;
${parts.map((part, index) => `  ${part} = narrow_pair(from[${2 * index}], from[${2 * index + 1}]);`).join('\n')}
  *reinterpret_cast<${vector}*>(to) = all;
}
`;
}

/** The same value in all lanes: each adds its partner's to its own, in the same tree. */
const reduction = (op: string, type: 'float' | 'int', combined: string): string => `
inline __device__ ${type} warp_${op}(${type} value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance >>= 1) {
    const ${type} other = __shfl_xor_sync(0xffffffffu, value, distance);
    value = ${combined};
  }
  return value;
}
`;

const reductions = [
  reduction('add', 'float', 'value + other'),
  reduction('max', 'float', 'fmaxf(value, other)'),
  reduction('min', 'float', 'fminf(value, other)'),
  reduction('add', 'int', 'wrapping_add(value, other)'),
  reduction('max', 'int', 'greatest(value, other)'),
  reduction('min', 'int', 'least(value, other)'),
];

const sections: readonly (readonly [string, string])[] = [
  ['types', scalars],
  ['integers that wrap around', wrapping],
  [
    'one access of several neighbours',
    [
      ...(['float', 'int'] as const).flatMap((type) => [accessesOf(type, 2), accessesOf(type, 4)]),
      ...([2, 4, 8] as const).map(narrowAccessesOf),
    ].join(''),
  ],
  ['reductions over the 32 lanes of a warp', reductions.join('')],
];

export const prelude: string = [
  '#ifndef PEGEN_PRELUDE',
  '#define PEGEN_PRELUDE',
  ...sections.map(([title, text]) => `// ---- ${title}\n${text}`),
  '#endif // PEGEN_PRELUDE',
  '',
].join('\n');
