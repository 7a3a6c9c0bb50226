// What the mock driver keeps: the context, memory, modules, streams with what they capture, events. Work is done when it
// is enqueued, and its errors come back at once, or with PEGEN_MOCK_ASYNC=1 at the next call that waits, as on a device.
#pragma once

#include <ctime>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "block.hpp"
#include "errors.hpp"
#include "memory.hpp"
#include "module.hpp"

namespace pegen {

struct Event {
  timespec time{};
  bool recorded = false, captured = false, timed = true;
};

/** Something that a stream does; parameters and host addresses are those of the time of the call. */
struct Work {
  enum Kind { launch, copy, fill32, fill8, record, call } kind;
  Function* function = nullptr;
  Index blocks{}, threads{};
  std::vector<unsigned char> parameters{};  // one after the other
  Address to = 0, from = 0;
  size_t bytes = 0;
  unsigned value = 0;
  Event* event = nullptr;
  void (*function_of_host)(void*) = nullptr;
  void* data = nullptr;
};

struct Graph {
  std::vector<Work> work;
};

struct Stream {
  bool blocking = true;  // towards the legacy stream
  bool capturing = false, invalidated = false;
  int mode = 0;  // of capture: 0 global, 1 of the thread, 2 relaxed
  Graph* graph = nullptr;
};

/** Handles that have been given and not been taken back. */
template <class T>
class Handles {
 public:
  T* add(std::unique_ptr<T> of) { return all.emplace_hint(all.end(), of.get(), std::move(of))->first; }
  bool has(const void* handle) const { return all.count(static_cast<T*>(const_cast<void*>(handle))) != 0; }
  bool remove(void* handle) { return all.erase(static_cast<T*>(handle)) != 0; }
  void clear() { all.clear(); }
  auto begin() const { return all.begin(); }
  auto end() const { return all.end(); }

 private:
  std::map<T*, std::unique_ptr<T>> all;
};

struct Machine {
  std::recursive_mutex mutex;
  bool started = false;
  unsigned retained = 0;  // the primary context
  int sticky = 0;
  int detailed = 0;  // the code that `detail` is about
  std::string detail;
  Memory memory;
  Runner runner;
  uint64_t launches = 0;
  Handles<Module> modules;
  Handles<Stream> streams;
  Handles<Event> events;
  Handles<Graph> graphs, executables;

  /** Notes an error that stays, and says it on stderr; the code that the call is to return. */
  int fault(int code, const std::string& text);
  /** Errors of work that has been done by now. */
  int finish();
  int perform(const Work& work);
  /** Does it, or puts it into the graph that the stream captures. */
  int enqueue(void* stream, Work work);
  /** What a call that may wait for the device says while something is captured. */
  int refuse_capture(void* stream);
  void destroy_context();

 private:
  int perform_launch(const Work& work);
};

}  // namespace pegen
