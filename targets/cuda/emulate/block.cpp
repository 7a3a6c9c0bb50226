// See block.hpp.

#include "block.hpp"

namespace pegen {

Runner* Runner::current = nullptr;
static constexpr int guarded[3] = {SIGSEGV, SIGBUS, SIGFPE};

Runner::Runner() {
  state.barrier = barrier;
  state.shuffle = shuffle;
  state.ballot = ballot;
  state.warp = warp;
  state.mistake = mistake;
}

Fault Runner::run(const Grid& of, Order in) {
  grid = &of;
  order = in;
  fault = {};
  current = this;
  const size_t count = size_t(of.threads.x) * of.threads.y * of.threads.z;
  threads.resize(count);
  warps.resize((count + warp_lanes - 1) / warp_lanes);
  turns.resize(count);
  state.threads = of.threads;
  state.blocks = of.blocks;
  *of.kernel->state = &state;

  const Blocks blocks(uint64_t(of.blocks.x) * of.blocks.y * of.blocks.z, order);
  guard_signals();
  caught = 0;
  if (sigsetjmp(recover, 1) == 0) {
    in_kernel = true;
    for (uint64_t at = 0; at < blocks.count && fault.kind == Fault::none; at += 1) {
      const uint64_t block = blocks.at(at);
      state.block = {unsigned(block % of.blocks.x), unsigned(block / of.blocks.x % of.blocks.y),
                     unsigned(block / of.blocks.x / of.blocks.y)};
      run_block();
    }
  }
  in_kernel = false;
  restore_signals();
  if (caught != 0) {
    const auto bottom = active == nullptr ? 0 : reinterpret_cast<uintptr_t>(active->fiber.bottom);
    const bool over = caught_address < bottom && caught_address >= bottom - stack_guard;
    const bool misaligned = caught == SIGBUS || caught_general;
    fault.kind = caught == SIGFPE ? Fault::arithmetic
                 : over           ? Fault::stack
                 : misaligned     ? Fault::misaligned
                                  : Fault::memory;
    fault.address = caught_address;
    fault.text = place(running) + (caught == SIGFPE ? " divides an integer by zero"
                                   : over           ? " ran over its stack"
                                   : misaligned     ? " makes an access that is not aligned, or far from every buffer"
                                                    : " reads or writes memory that is no buffer's");
  }
  if (fault.kind != Fault::none) reset_workers();
  return fault;
}

void Runner::run_block() {
  for (const Span& span : *grid->shared)
    for (size_t byte = 0; byte < span.bytes; byte += 4)
      memcpy(span.begin + byte, &poison, span.bytes - byte < 4 ? span.bytes - byte : 4);
  const unsigned count = unsigned(threads.size());
  for (Thread& thread : threads) thread.status = Thread::fresh;
  for (unsigned warp = 0; warp < warps.size(); warp += 1) {
    const unsigned lanes = count - warp * warp_lanes;
    warps[warp] = {0, lanes >= warp_lanes ? 0xffffffffu : (1u << lanes) - 1};
  }
  at_barrier = ended = 0;
  while (ended < count) {
    bool progress = false;
    arrange(turns, order);
    for (turn = 0; turn < count; turn += 1) {
      const Thread::Status status = threads[turns[turn]].status;
      if (status != Thread::fresh && status != Thread::ready) continue;
      progress = true;
      resume(turns[turn]);
      if (fault.kind != Fault::none) return;
    }
    if (progress) continue;
    // Everybody waits. The first two that do not wait for the same thing tell why.
    unsigned waits = 0;
    while (threads[waits].status == Thread::ended) waits += 1;
    for (unsigned other = 0; other < count; other += 1) {
      const Thread &a = threads[waits], &b = threads[other];
      if (a.status == b.status && a.site == b.site && a.mask == b.mask) continue;
      return diverged(waits, other);
    }
    return diverged(waits, waits);
  }
}

/** Lets a thread go on, or begin, until it stops. */
void Runner::resume(unsigned thread) {
  Worker* worker = threads[thread].worker;
  if (threads[thread].status == Thread::fresh) {
    if (idle.empty()) {
      workers.push_back(std::make_unique<Worker>());
      workers.back()->fiber = new_fiber();
      start_fiber(workers.back()->fiber, work);
      idle.push_back(workers.back().get());
    }
    worker = idle.back();
    idle.pop_back();
  }
  active = worker;
  enter(thread);
  switch_fiber(scheduler, worker->fiber);
}

void Runner::enter(unsigned thread) {
  running = thread;
  threads[thread].worker = active;
  state.thread = {thread % grid->threads.x, thread / grid->threads.x % grid->threads.y,
                  thread / grid->threads.x / grid->threads.y};
  state.lane = thread % warp_lanes;
}

/** A worker's life: one thread after the other, on one stack, as long as the next in turn has not begun. */
void Runner::work() {
  Runner& runner = *current;
  entered_fiber(runner.scheduler);
  for (;;) {
    Worker* const own = runner.active;
    runner.grid->kernel->call(runner.grid->parameters);
    runner.threads[runner.running].status = Thread::ended;
    runner.ended += 1;
    const size_t next = runner.turn + 1;
    if (next < runner.turns.size() && runner.threads[runner.turns[next]].status == Thread::fresh) {
      runner.turn = next;
      runner.enter(runner.turns[next]);
      continue;
    }
    runner.idle.push_back(own);
    switch_fiber(own->fiber, runner.scheduler);
  }
}

/** Back to the scheduler; returns when the thread has its next turn. */
void Runner::stop() { switch_fiber(active->fiber, scheduler); }

/** Stacks with threads that will never end are begun anew. */
void Runner::reset_workers() {
  idle.clear();
  for (const auto& worker : workers) {
    start_fiber(worker->fiber, work);
    idle.push_back(worker.get());
  }
  active = nullptr;
}

std::string Runner::place(unsigned thread) const {
  char text[200];
  const unsigned long long block =
      state.block.x + uint64_t(state.blocks.x) * (state.block.y + uint64_t(state.blocks.y) * state.block.z);
  snprintf(text, sizeof text, "kernel %s, block %llu, thread %u", grid->kernel->name, block, thread);
  return text;
}

std::string Runner::doing(unsigned thread) const {
  const Thread& of = threads[thread];
  if (of.status == Thread::ended) return "has ended";
  if (of.status == Thread::fresh || of.status == Thread::ready) return "is elsewhere";
  const std::string what = of.status == Thread::at_barrier ? "__syncthreads" : "a warp operation";
  char mask[40] = "";
  if (of.status == Thread::at_warp) snprintf(mask, sizeof mask, " of lanes 0x%08x", of.mask);
  return "waits at " + what + mask + " in line " + std::to_string(of.site.line) + " of " + of.site.file;
}

void Runner::diverged(unsigned a, unsigned b) {
  fault.kind = Fault::divergence;
  fault.text = place(a) + " " + doing(a) + ", ";
  fault.text += a == b ? "and nobody comes" : "thread " + std::to_string(b) + " " + doing(b);
}

void Runner::barrier(const char* file, int line) {
  Runner& runner = *current;
  const unsigned own = runner.running;
  Thread& thread = runner.threads[own];
  thread.status = Thread::at_barrier;
  thread.site = {file, line};
  thread.mask = 0;
  if (runner.at_barrier == 0) runner.barrier_site = thread.site;
  runner.at_barrier += 1;
  if (!(runner.barrier_site == thread.site)) {
    unsigned first = 0;
    while (first == own || runner.threads[first].status != Thread::at_barrier) first += 1;
    runner.diverged(first, own);
  } else if (runner.at_barrier == runner.threads.size()) {
    runner.at_barrier = 0;
    for (Thread& each : runner.threads) each.status = Thread::ready;
  }
  runner.stop();
}

/** Waits until every lane of `mask` is here; then each has its result. */
void Runner::exchange(WarpOperation operation, unsigned mask, Site site) {
  const unsigned own = running;
  Warp& warp = warps[own / warp_lanes];
  const unsigned base = own / warp_lanes * warp_lanes;
  Thread& thread = threads[own];
  mask &= warp.lanes;
  thread.status = Thread::at_warp;
  thread.site = site;
  thread.mask = mask;
  warp.arrived |= 1u << (own - base);
  if ((mask >> (own - base) & 1) == 0) {
    diverged(own, own);
    fault.text += ": it is none of those lanes";
    return stop();
  }
  if ((warp.arrived & mask) == mask) {
    unsigned votes = 0;
    for (unsigned lane = 0; lane < warp_lanes; lane += 1) {
      if ((mask >> lane & 1) == 0) continue;
      const Thread& of = threads[base + lane];
      if (!(of.site == site) || of.mask != mask) {
        diverged(base + lane, own);
        return stop();
      }
      if (of.value != 0) votes |= 1u << lane;
    }
    for (unsigned lane = 0; lane < warp_lanes; lane += 1) {
      if ((mask >> lane & 1) == 0) continue;
      Thread& of = threads[base + lane];
      const bool there = of.source < warp_lanes && (mask >> of.source & 1) != 0;
      if (operation == WarpOperation::shuffle)
        of.result = there ? threads[base + of.source].value : Word(poison) << 32 | poison;
      if (operation == WarpOperation::ballot) of.result = votes;
      of.status = Thread::ready;
    }
    warp.arrived &= ~mask;
  }
  stop();
}

Word Runner::shuffle(unsigned mask, Word value, unsigned source, const char* file, int line) {
  Runner& runner = *current;
  Thread& thread = runner.threads[runner.running];
  thread.value = value;
  thread.source = source;
  runner.exchange(WarpOperation::shuffle, mask, {file, line});
  return thread.result;
}

unsigned Runner::ballot(unsigned mask, bool vote, const char* file, int line) {
  Runner& runner = *current;
  Thread& thread = runner.threads[runner.running];
  thread.value = vote ? 1 : 0;
  runner.exchange(WarpOperation::ballot, mask, {file, line});
  return unsigned(thread.result);
}

void Runner::warp(unsigned mask, const char* file, int line) {
  current->exchange(WarpOperation::wait, mask, {file, line});
}

void Runner::mistake(Mistake of, Word value, const char* file, int line) {
  Runner& runner = *current;
  char text[200];
  if (of == Mistake::misaligned)
    snprintf(text, sizeof text, " makes an access that is not aligned, at 0x%llx, in line %d of %s", value, line, file);
  else
    snprintf(text, sizeof text, " has the index %d, outside its array, in line %d of %s", int(value), line, file);
  runner.fault.kind = of == Mistake::misaligned ? Fault::misaligned : Fault::array;
  runner.fault.text = runner.place(runner.running) + text;
  runner.stop();
}

// Signals. AddressSanitizer tells more of them than we could, so they are its own where it is.

static thread_local bool signal_is_ours = false;
static constexpr size_t signal_stack_bytes = 64 * 1024;
static thread_local stack_t stack_before;

void Runner::on_signal(int signal, siginfo_t* info, void* context) {
  Runner* const runner = current;
  if (signal_is_ours && runner != nullptr && runner->in_kernel) {
    runner->caught = signal;
    runner->caught_address = reinterpret_cast<uintptr_t>(info->si_addr);
    runner->caught_general = signal == SIGSEGV && info->si_code == SI_KERNEL;
    siglongjmp(runner->recover, 1);
  }
  for (size_t which = 0; which < 3; which += 1) {
    if (guarded[which] != signal || runner == nullptr) continue;
    const struct sigaction& old = runner->before[which];
    if ((old.sa_flags & SA_SIGINFO) != 0 && old.sa_sigaction != nullptr) return old.sa_sigaction(signal, info, context);
    if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN) return old.sa_handler(signal);
  }
  ::signal(signal, SIG_DFL);
}

void Runner::guard_signals() {
  if (sanitized()) return;
  static thread_local std::unique_ptr<char[]> room;
  if (room == nullptr) room = std::make_unique<char[]>(signal_stack_bytes);
  stack_t own{};
  own.ss_sp = room.get();
  own.ss_size = signal_stack_bytes;
  sigaltstack(&own, &stack_before);
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (size_t which = 0; which < 3; which += 1) sigaction(guarded[which], &action, &before[which]);
  signal_is_ours = true;
}

void Runner::restore_signals() {
  if (sanitized()) return;
  signal_is_ours = false;
  for (size_t which = 0; which < 3; which += 1) sigaction(guarded[which], &before[which], nullptr);
  sigaltstack(&stack_before, nullptr);
}

}  // namespace pegen
