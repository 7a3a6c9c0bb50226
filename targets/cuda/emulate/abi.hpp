// What a CPU build of kernels (cuda_cpu.hpp) and the driver that runs it (driver.cpp) know of each other: the state that a
// running thread sees, and what a kernel tells about itself. No system header: kernels compile in a moment.
#pragma once

namespace pegen {

struct Index {
  unsigned x, y, z;
};

/** A number that can hold what one lane gives to others. */
using Word = unsigned long long;

enum class Mistake { misaligned, outside_array };

/** What the driver keeps up to date for the thread that runs. */
struct State {
  Index thread, block, threads, blocks;
  unsigned lane;  // in its warp
  void (*barrier)(const char* file, int line);
  /** Of every lane in `mask`: the value of lane `source`. */
  Word (*shuffle)(unsigned mask, Word value, unsigned source, const char* file, int line);
  /** Of every lane in `mask`: bit k is whether `vote` of lane k is true. */
  unsigned (*ballot)(unsigned mask, bool vote, const char* file, int line);
  /** For a warp without an exchange of values. */
  void (*warp)(unsigned mask, const char* file, int line);
  /** Ends the launch. `value`: the address, or the index. */
  void (*mistake)(Mistake of, Word value, const char* file, int line);
};

/** A kernel's own account of itself; the symbol NAME_on_cpu of a build. */
struct Kernel {
  const char* name;
  void (*call)(void** parameters);
  unsigned count;
  const unsigned* sizes;  // of the parameters, in bytes
  State** state;          // where the build keeps its pointer to the state
};

constexpr unsigned warp_lanes = 32;

/** Memory that nothing has written: NaN as a float and as two bf16, negative as an int. */
constexpr unsigned poison = 0xffc1ffc1u;

}  // namespace pegen
