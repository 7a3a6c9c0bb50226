// CUDA C++ for one CPU core, included before the text of kernels: the qualifiers, builtin variables, vector types and
// intrinsics that kernels use, as plain C++17. A thread of a block is a fiber of the driver; it waits at barriers and
// warp operations. PEGEN_KERNEL(name) after the text makes a kernel known to the driver.
#pragma once

#include "abi.hpp"

#define PEGEN_EMULATED 1
#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __shared__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

namespace pegen {
static State* state;
}

#define threadIdx (pegen::state->thread)
#define blockIdx (pegen::state->block)
#define blockDim (pegen::state->threads)
#define gridDim (pegen::state->blocks)
#define warpSize 32

// Vector types, with the alignment that CUDA gives them.
#define PEGEN_VECTOR2(NAME, TYPE)            \
  struct alignas(2 * sizeof(TYPE)) NAME {    \
    TYPE x, y;                               \
  };                                         \
  static inline NAME make_##NAME(TYPE x, TYPE y) { return {x, y}; }
#define PEGEN_VECTOR4(NAME, TYPE)            \
  struct alignas(4 * sizeof(TYPE)) NAME {    \
    TYPE x, y, z, w;                         \
  };                                         \
  static inline NAME make_##NAME(TYPE x, TYPE y, TYPE z, TYPE w) { return {x, y, z, w}; }
PEGEN_VECTOR2(float2, float)
PEGEN_VECTOR2(int2, int)
PEGEN_VECTOR2(uint2, unsigned)
PEGEN_VECTOR2(ushort2, unsigned short)
PEGEN_VECTOR4(float4, float)
PEGEN_VECTOR4(int4, int)
PEGEN_VECTOR4(uint4, unsigned)
PEGEN_VECTOR4(ushort4, unsigned short)
#undef PEGEN_VECTOR2
#undef PEGEN_VECTOR4

namespace pegen {

template <class To, class From>
static inline To bits(From value) {
  static_assert(sizeof(To) == sizeof(From), "as many bits");
  To result;
  __builtin_memcpy(&result, &value, sizeof result);
  return result;
}

template <class T>
static inline T shuffled(unsigned mask, T value, unsigned source, const char* file, int line) {
  static_assert(sizeof(T) <= sizeof(Word), "at most 8 bytes go from lane to lane");
  Word word = 0;
  __builtin_memcpy(&word, &value, sizeof value);
  word = state->shuffle(mask, word, source, file, line);
  __builtin_memcpy(&value, &word, sizeof value);
  return value;
}

/** The lane that a shuffle reads: within `width` lanes around the own one, which stays where the other is outside. */
static inline unsigned lane_of(int source, int width) { return (state->lane & ~(width - 1u)) | (source & (width - 1)); }
static inline unsigned lane_up(int distance, int width) {
  const int at = int(state->lane & (width - 1u));
  return at - distance < 0 ? state->lane : state->lane - distance;
}
static inline unsigned lane_down(int distance, int width) {
  const int at = int(state->lane & (width - 1u));
  return at + distance >= width ? state->lane : state->lane + distance;
}
static inline unsigned lane_xor(int bits, int width) {
  const unsigned other = state->lane ^ unsigned(bits);
  return (other & ~(width - 1u)) > (state->lane & ~(width - 1u)) ? state->lane : other;
}

// What is left of a list of arguments after the first `...` has its default.
static constexpr int width_of() { return 32; }
static constexpr int width_of(int width) { return width; }
static constexpr unsigned mask_of() { return 0xffffffffu; }
static constexpr unsigned mask_of(unsigned mask) { return mask; }

}  // namespace pegen

#define __syncthreads() (pegen::state->barrier(__FILE__, __LINE__))
#define __syncwarp(...) (pegen::state->warp(pegen::mask_of(__VA_ARGS__), __FILE__, __LINE__))
#define __shfl_sync(mask, value, source, ...) \
  (pegen::shuffled((mask), (value), pegen::lane_of((source), pegen::width_of(__VA_ARGS__)), __FILE__, __LINE__))
#define __shfl_up_sync(mask, value, distance, ...) \
  (pegen::shuffled((mask), (value), pegen::lane_up((distance), pegen::width_of(__VA_ARGS__)), __FILE__, __LINE__))
#define __shfl_down_sync(mask, value, distance, ...) \
  (pegen::shuffled((mask), (value), pegen::lane_down((distance), pegen::width_of(__VA_ARGS__)), __FILE__, __LINE__))
#define __shfl_xor_sync(mask, value, bits, ...) \
  (pegen::shuffled((mask), (value), pegen::lane_xor((bits), pegen::width_of(__VA_ARGS__)), __FILE__, __LINE__))
#define __ballot_sync(mask, vote) (pegen::state->ballot((mask), bool(vote), __FILE__, __LINE__))
#define __any_sync(mask, vote) (__ballot_sync(mask, vote) != 0u)
#define __all_sync(mask, vote) (__ballot_sync(mask, !(vote)) == 0u)

// The compiler checks the alignment of every access and the indices of every array of known size, and calls these. Where
// AddressSanitizer is there, its companion has them.
#ifndef PEGEN_SANITIZED
namespace pegen {
struct Place {
  const char* file;
  unsigned line, column;
};
}  // namespace pegen
extern "C" {
__attribute__((visibility("hidden"))) void __ubsan_handle_type_mismatch_v1_abort(pegen::Place* place, pegen::Word at) {
  for (;;) pegen::state->mistake(pegen::Mistake::misaligned, at, place->file, int(place->line));
}
__attribute__((visibility("hidden"))) void __ubsan_handle_out_of_bounds_abort(pegen::Place* place, pegen::Word index) {
  for (;;) pegen::state->mistake(pegen::Mistake::outside_array, index, place->file, int(place->line));
}
}
#endif

// Bits.
static inline int __float_as_int(float value) { return pegen::bits<int>(value); }
static inline unsigned __float_as_uint(float value) { return pegen::bits<unsigned>(value); }
static inline float __int_as_float(int value) { return pegen::bits<float>(value); }
static inline float __uint_as_float(unsigned value) { return pegen::bits<float>(value); }
static inline int __popc(unsigned value) { return __builtin_popcount(value); }
static inline int __clz(int value) { return value == 0 ? 32 : __builtin_clz(unsigned(value)); }
static inline int __ffs(int value) { return __builtin_ffs(value); }

// Arithmetic. The names of C's library are its own functions.
extern "C" {
float sqrtf(float) noexcept;
float expf(float) noexcept;
float exp2f(float) noexcept;
float logf(float) noexcept;
float log2f(float) noexcept;
float sinf(float) noexcept;
float cosf(float) noexcept;
float tanhf(float) noexcept;
float erff(float) noexcept;
float powf(float, float) noexcept;
float floorf(float) noexcept;
float ceilf(float) noexcept;
float rintf(float) noexcept;
float roundf(float) noexcept;
float truncf(float) noexcept;
float fabsf(float) noexcept;
float fminf(float, float) noexcept;
float fmaxf(float, float) noexcept;
float fmaf(float, float, float) noexcept;
float copysignf(float, float) noexcept;
double floor(double) noexcept;
double sqrt(double) noexcept;
}
static inline float rsqrtf(float value) { return 1.0f / sqrtf(value); }
static inline int min(int a, int b) { return b < a ? b : a; }
static inline int max(int a, int b) { return a < b ? b : a; }
static inline long long min(long long a, long long b) { return b < a ? b : a; }
static inline long long max(long long a, long long b) { return a < b ? b : a; }
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline int abs(int value) { return value < 0 ? -value : value; }
static inline float abs(float value) { return fabsf(value); }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float value) { return sqrtf(value); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __int2float_rn(int value) { return float(value); }
static inline int __float2int_rz(float value) { return int(value); }
static inline int __float2int_rn(float value) { return int(rintf(value)); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((1ull * a * b) >> 32); }
static inline int __mulhi(int a, int b) { return int((1ll * a * b) >> 32); }

// Loads and stores with a hint of caching.
template <class T>
static inline T __ldg(const T* from) {
  return *from;
}
template <class T>
static inline T __ldcs(const T* from) {
  return *from;
}
template <class T>
static inline void __stcs(T* to, T value) {
  *to = value;
}

namespace pegen {
namespace {  // nothing here may be one and the same in two builds: they would never be unloaded

template <unsigned... I>
struct Numbers {};
template <unsigned N, unsigned... I>
struct Counted : Counted<N - 1, N - 1, I...> {};
template <unsigned... I>
struct Counted<0, I...> {
  using type = Numbers<I...>;
};

/** A kernel's parameters, as cuLaunchKernel gets them: an array of pointers to the values. */
template <class Function>
struct Parameters;
template <class... P>
struct Parameters<void(P...)> {
  static constexpr unsigned count = sizeof...(P);
  static constexpr unsigned sizes[sizeof...(P) + 1] = {sizeof(P)..., 0};
  template <void (*kernel)(P...), unsigned... I>
  static void spread(void** parameters, Numbers<I...>) {
    kernel(*static_cast<P*>(parameters[I])...);
  }
  template <void (*kernel)(P...)>
  static void call(void** parameters) {
    spread<kernel>(parameters, typename Counted<sizeof...(P)>::type{});
  }
};

}  // namespace
}  // namespace pegen

#define PEGEN_KERNEL(NAME)                                                                                        \
  extern "C" {                                                                                                    \
  __attribute__((used, visibility("default"))) pegen::Kernel NAME##_on_cpu = {                                    \
      #NAME, pegen::Parameters<decltype(NAME)>::call<NAME>, pegen::Parameters<decltype(NAME)>::count,             \
      pegen::Parameters<decltype(NAME)>::sizes, &pegen::state};                                                   \
  }
