// Runs a kernel's blocks one after the other and the threads of each as fibers that stop at barriers and warp operations.
// What a device would answer with nonsense or never comes back as a fault that names the kernel, the block and the thread:
// threads that part at a barrier, memory that is nobody's, a division of integers by zero, a stack that ran over.
#pragma once

#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "abi.hpp"
#include "fiber.hpp"
#include "order.hpp"

namespace pegen {

struct Span {
  unsigned char* begin;
  size_t bytes;
};

struct Grid {
  const Kernel* kernel;
  const std::vector<Span>* shared;  // its arrays, poisoned for each block
  void** parameters;
  Index blocks, threads;
};

struct Fault {
  enum Kind { none, divergence, memory, misaligned, array, arithmetic, stack } kind = none;
  std::string text;
  uintptr_t address = 0;
};

struct Site {
  const char* file;
  int line;
  bool operator==(const Site& other) const {
    return line == other.line && (file == other.file || strcmp(file, other.file) == 0);
  }
};

struct Worker {
  Fiber fiber;
};

struct Thread {
  enum Status { fresh, ready, at_barrier, at_warp, ended } status;
  Worker* worker;  // that holds its frames once it has stopped
  Site site;       // where it waits
  unsigned mask;
  Word value;
  unsigned source;
  Word result;
};

/** What the lanes of a warp have brought to the operation that they are at. */
struct Warp {
  unsigned arrived, lanes;  // as masks
};

enum class WarpOperation { shuffle, ballot, wait };

class Runner {
 public:
  State state{};

  Runner();
  Fault run(const Grid& grid, Order order);

 private:
  static Runner* current;

  const Grid* grid = nullptr;
  Order order;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<unsigned> turns;
  size_t turn = 0;  // in `turns`
  unsigned running = 0;
  unsigned at_barrier = 0, ended = 0;
  Site barrier_site{};
  Fiber scheduler;
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<Worker*> idle;
  Worker* active = nullptr;
  Fault fault;

  bool in_kernel = false;
  sigjmp_buf recover;
  int caught = 0;
  uintptr_t caught_address = 0;
  bool caught_general = false;  // without an address: misaligned, or far from everything
  struct sigaction before[3];

  void run_block();
  void resume(unsigned thread);
  void enter(unsigned thread);
  void stop();
  void reset_workers();
  void diverged(unsigned a, unsigned b);
  void exchange(WarpOperation operation, unsigned mask, Site site);
  std::string place(unsigned thread) const;
  std::string doing(unsigned thread) const;

  static void work();
  static void barrier(const char* file, int line);
  static Word shuffle(unsigned mask, Word value, unsigned source, const char* file, int line);
  static unsigned ballot(unsigned mask, bool vote, const char* file, int line);
  static void warp(unsigned mask, const char* file, int line);
  static void mistake(Mistake of, Word value, const char* file, int line);
  static void on_signal(int signal, siginfo_t* info, void* context);
  void guard_signals();
  void restore_signals();
};

}  // namespace pegen
