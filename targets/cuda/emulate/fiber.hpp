// Fibers: stacks of their own, each with a guard page below, that functions run on and leave and enter again. Switching is
// a few instructions on x86-64 and aarch64, and ucontext elsewhere. AddressSanitizer is told where it is in the process.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#if !defined(PEGEN_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define PEGEN_UCONTEXT 1
#endif
#ifdef PEGEN_UCONTEXT
#include <ucontext.h>
#endif

extern "C" {
__attribute__((weak)) void __sanitizer_start_switch_fiber(void** save, const void* bottom, size_t size);
__attribute__((weak)) void __sanitizer_finish_switch_fiber(void* save, const void** bottom, size_t* size);
__attribute__((weak)) void __asan_poison_memory_region(const volatile void* begin, size_t size);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void* begin, size_t size);
}

namespace pegen {

inline bool sanitized() { return __asan_poison_memory_region != nullptr; }

#ifdef PEGEN_UCONTEXT
struct Context {
  ucontext_t at;
};
inline void switch_context(Context& from, Context& to) { swapcontext(&from.at, &to.at); }
inline void start_context(Context& context, char* bottom, size_t bytes, void (*entry)()) {
  getcontext(&context.at);
  context.at.uc_stack.ss_sp = bottom;
  context.at.uc_stack.ss_size = bytes;
  context.at.uc_link = nullptr;
  makecontext(&context.at, entry, 0);
}
#else
struct Context {
  void* at;  // the stack pointer; what the caller must find unchanged lies above it
};
extern "C" void pegen_switch(void** save, void* load);
#if defined(__x86_64__)
constexpr size_t entry_word = 6;   // after six registers
constexpr size_t frame_words = 8;  // a function is entered with the stack at 8 past a multiple of 16
#else
constexpr size_t entry_word = 11;  // x30
constexpr size_t frame_words = 20;
#endif
inline void switch_context(Context& from, Context& to) { pegen_switch(&from.at, to.at); }
inline void start_context(Context& context, char* bottom, size_t bytes, void (*entry)()) {
  auto* frame = reinterpret_cast<uintptr_t*>(bottom + bytes) - frame_words;
  for (size_t word = 0; word < frame_words; word += 1) frame[word] = 0;
  frame[entry_word] = reinterpret_cast<uintptr_t>(entry);
  context.at = frame;
}
#endif

/** A stack, and where its function stopped. The thread of the caller has one too, without a stack of ours. */
struct Fiber {
  Context context;
  const void* bottom = nullptr;
  size_t bytes = 0;
  void* fake = nullptr;  // AddressSanitizer's own
};

/** Leaves `from` where it is and goes on with `to`. */
inline void switch_fiber(Fiber& from, Fiber& to) {
  if (__sanitizer_start_switch_fiber != nullptr) __sanitizer_start_switch_fiber(&from.fake, to.bottom, to.bytes);
  switch_context(from.context, to.context);
  if (__sanitizer_finish_switch_fiber != nullptr) __sanitizer_finish_switch_fiber(from.fake, nullptr, nullptr);
}

/** The first thing that a fiber's function does: `caller` learns the stack that it has under AddressSanitizer. */
inline void entered_fiber(Fiber& caller) {
  if (__sanitizer_finish_switch_fiber != nullptr)
    __sanitizer_finish_switch_fiber(nullptr, &caller.bottom, &caller.bytes);
}

constexpr size_t stack_bytes = 256 * 1024;
constexpr size_t stack_guard = 16 * 1024;  // a multiple of any page

/** A stack that is mapped when it is touched; touching what is below it is a fault. */
inline Fiber new_fiber() {
  void* const at = mmap(nullptr, stack_bytes + stack_guard, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) abort();
  mprotect(at, stack_guard, PROT_NONE);
  Fiber fiber;
  fiber.bottom = static_cast<char*>(at) + stack_guard;
  fiber.bytes = stack_bytes;
  return fiber;
}

/** Makes the fiber begin with `entry` at its next switch, whatever it did before. */
inline void start_fiber(Fiber& fiber, void (*entry)()) {
  auto* bottom = const_cast<char*>(static_cast<const char*>(fiber.bottom));
  if (__asan_unpoison_memory_region != nullptr) __asan_unpoison_memory_region(bottom, fiber.bytes);
  start_context(fiber.context, bottom, fiber.bytes, entry);
}

}  // namespace pegen
