// See machine.hpp.

#include "machine.hpp"

#include <cstdio>
#include <cstring>

namespace pegen {

int Machine::fault(int code, const std::string& text) {
  detailed = code;
  detail = text;
  if (is_sticky(code)) sticky = code;
  if (!text.empty()) fprintf(stderr, "emulated CUDA: %s\n", text.c_str());
  return code;
}

int Machine::finish() {
  if (sticky != 0) return sticky;
  const std::string damage = memory.damage();
  return damage.empty() ? success : fault(illegal_address, "something wrote " + damage);
}

static int code_of(const Fault& fault) {
  switch (fault.kind) {
    case Fault::none: return success;
    case Fault::memory:
    case Fault::array: return illegal_address;
    case Fault::misaligned: return misaligned_address;
    case Fault::divergence:
    case Fault::arithmetic:
    case Fault::stack: return launch_failed;
  }
  return launch_failed;
}

int Machine::perform_launch(const Work& work) {
  const Kernel& kernel = *work.function->kernel;
  std::vector<unsigned char> values = work.parameters;
  std::vector<void*> pointers(kernel.count);
  std::vector<Address> addresses;
  size_t at = 0;
  for (unsigned which = 0; which < kernel.count; which += 1) {
    pointers[which] = values.data() + at;
    if (kernel.sizes[which] == sizeof(Address)) {
      Address address;
      memcpy(&address, values.data() + at, sizeof address);
      addresses.push_back(address);
    }
    at += (kernel.sizes[which] + 15) / 16 * 16;
  }
  launches += 1;
  const Grid grid{&kernel, &work.function->shared, pointers.data(), work.blocks, work.threads};
  const Fault found = runner.run(grid, order_of_environment(launches));
  if (found.kind == Fault::memory) return fault(illegal_address, found.text + ": " + memory.describe(found.address));
  if (found.kind != Fault::none) return fault(code_of(found), found.text);
  for (const Address address : addresses) {
    const std::string damage = memory.damage(address);
    if (!damage.empty()) return fault(illegal_address, std::string("kernel ") + kernel.name + " writes " + damage);
  }
  return success;
}

int Machine::perform(const Work& work) {
  switch (work.kind) {
    case Work::launch:
      return perform_launch(work);
    case Work::copy:
      memmove(reinterpret_cast<void*>(work.to), reinterpret_cast<const void*>(work.from), work.bytes);
      return success;
    case Work::fill32:
      for (size_t byte = 0; byte < work.bytes; byte += 4)
        memcpy(reinterpret_cast<unsigned char*>(work.to) + byte, &work.value, 4);
      return success;
    case Work::fill8:
      memset(reinterpret_cast<void*>(work.to), int(work.value), work.bytes);
      return success;
    case Work::record:
      clock_gettime(CLOCK_MONOTONIC, &work.event->time);
      work.event->recorded = true;
      return success;
    case Work::call:
      work.function_of_host(work.data);
      return success;
  }
  return success;
}

int Machine::enqueue(void* handle, Work work) {
  if (handle == nullptr) {
    for (const auto& [stream, owner] : streams) {
      if (!stream->capturing || !stream->blocking) continue;
      stream->invalidated = true;
      return capture_implicit;
    }
  } else if (!streams.has(handle)) {
    return invalid_handle;
  } else if (auto* const stream = static_cast<Stream*>(handle); stream->capturing) {
    if (stream->invalidated) return capture_invalidated;
    if (work.kind == Work::record) work.event->captured = true;
    stream->graph->work.push_back(std::move(work));
    return success;
  }
  if (work.kind == Work::record) work.event->captured = false;
  const int code = perform(work);
  return number_of_environment("PEGEN_MOCK_ASYNC", 0) != 0 ? success : code;
}

int Machine::refuse_capture(void* handle) {
  for (const auto& [stream, owner] : streams) {
    if (!stream->capturing || (stream->mode == 2 && handle != stream)) continue;
    stream->invalidated = true;
    return capture_unsupported;
  }
  return success;
}

void Machine::destroy_context() {
  executables.clear();
  graphs.clear();
  events.clear();
  streams.clear();
  modules.clear();
  memory.clear();
  launches = 0;
  sticky = 0;
  detailed = 0;
  detail.clear();
}

}  // namespace pegen
