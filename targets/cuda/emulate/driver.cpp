// A mock of the CUDA driver library: the driver API's own names, signatures and codes over one device that is this CPU.
// Images of modules are CPU builds of kernels. Environment variables that tests set, each read when it matters:
//   PEGEN_EMULATE_ORDER=forward|reverse|random:SEED   the order of blocks and threads
//   PEGEN_MOCK_DRIVER_VERSION=12020                   what cuDriverGetVersion says
//   PEGEN_MOCK_CAPABILITY=75                          the compute capability
//   PEGEN_MOCK_MEMORY=1000000                         bytes of the device
//   PEGEN_MOCK_NO_DEVICE=1                            cuInit finds none
//   PEGEN_MOCK_ASYNC=1                                errors of work come back when somebody waits
//   PEGEN_MOCK_FAIL=cuLaunchKernel:700:NAME,...       a call fails, if its kernel has this name where one is given

#include <cstdio>
#include <cstring>

#include "machine.hpp"

namespace pegen {

static Machine machine;
static thread_local bool is_current = false;

enum Needs { nothing, start, context };

/** One call of the API: alone in the machine, and refused where the driver would refuse. */
struct Call {
  std::lock_guard<std::recursive_mutex> alone{machine.mutex};
  int code;

  explicit Call(const char* name, Needs needs = context, const char* kernel = nullptr) {
    code = wanted_failure(name, kernel);
    if (code != 0) {
      if (is_sticky(code)) machine.sticky = code;
      return;
    }
    if (needs != nothing && !machine.started) code = not_initialized;
    else if (needs == context && (machine.retained == 0 || !is_current)) code = invalid_context;
    else if (needs == context) code = machine.sticky;
  }
};

static size_t device_memory() { return size_t(number_of_environment("PEGEN_MOCK_MEMORY", 80ll << 30)); }
static int capability() { return int(number_of_environment("PEGEN_MOCK_CAPABILITY", 90)); }

#define DRIVER extern "C" __attribute__((visibility("default"))) int
#define BEGIN_WITH(...)                   \
  const Call call(__func__, __VA_ARGS__); \
  if (call.code != 0) return call.code
#define BEGIN() BEGIN_WITH(context)
#define DEMAND(CONDITION, CODE) \
  if (!(CONDITION)) return CODE
#define OUT(POINTER) DEMAND((POINTER) != nullptr, invalid_value)

// The device.

DRIVER cuInit(unsigned flags) {
  BEGIN_WITH(nothing);
  DEMAND(flags == 0, invalid_value);
  if (number_of_environment("PEGEN_MOCK_NO_DEVICE", 0) != 0) return no_device;
  machine.started = true;
  return success;
}

DRIVER cuDriverGetVersion(int* version) {
  BEGIN_WITH(nothing);
  OUT(version);
  *version = int(number_of_environment("PEGEN_MOCK_DRIVER_VERSION", 13000));
  return success;
}

DRIVER cuDeviceGetCount(int* count) {
  BEGIN_WITH(start);
  OUT(count);
  *count = 1;
  return success;
}

DRIVER cuDeviceGet(int* device, int ordinal) {
  BEGIN_WITH(start);
  OUT(device);
  DEMAND(ordinal == 0, invalid_device);
  *device = 0;
  return success;
}

DRIVER cuDeviceGetName(char* name, int length, int device) {
  BEGIN_WITH(start);
  DEMAND(device == 0, invalid_device);
  DEMAND(name != nullptr && length > 0, invalid_value);
  snprintf(name, size_t(length), "emulated CUDA device");
  return success;
}

DRIVER cuDeviceTotalMem_v2(size_t* bytes, int device) {
  BEGIN_WITH(start);
  OUT(bytes);
  DEMAND(device == 0, invalid_device);
  *bytes = device_memory();
  return success;
}

DRIVER cuDeviceGetAttribute(int* value, int attribute, int device) {
  BEGIN_WITH(start);
  OUT(value);
  DEMAND(device == 0, invalid_device);
  struct Attribute {
    int number, value;
  };
  const Attribute attributes[] = {
      {1, 1024},        // threads of a block
      {2, 1024},        // its extents
      {3, 1024},        //
      {4, 64},          //
      {5, 2147483647},  // extents of a grid
      {6, 65535},       //
      {7, 65535},       //
      {8, 48 * 1024},   // shared memory of a block
      {9, 64 * 1024},   // constant memory
      {10, 32},         // lanes of a warp
      {12, 65536},      // registers of a block
      {13, 1000000},    // kHz of the clock
      {16, 1},          // processors
      {31, 1},          // several kernels at a time
      {36, 1000000},    // kHz of the memory
      {37, 64},         // bits of its bus
      {38, 1 << 20},    // bytes of the second cache
      {39, 2048},       // threads of a processor
      {41, 1},          // addresses shared with the host
      {75, capability() / 10},
      {76, capability() % 10},
      {81, 48 * 1024},  // shared memory of a processor
      {82, 65536},      // registers of a processor
      {97, 48 * 1024},  // shared memory of a block that asks for more
      {115, 0},         // pools of memory
  };
  for (const Attribute& each : attributes) {
    if (each.number != attribute) continue;
    *value = each.value;
    return success;
  }
  return invalid_value;
}

// The context.

DRIVER cuDevicePrimaryCtxRetain(void** out, int device) {
  BEGIN_WITH(start);
  OUT(out);
  DEMAND(device == 0, invalid_device);
  machine.retained += 1;
  *out = &machine;
  return success;
}

DRIVER cuDevicePrimaryCtxRelease_v2(int device) {
  BEGIN_WITH(start);
  DEMAND(device == 0, invalid_device);
  DEMAND(machine.retained > 0, invalid_context);
  machine.retained -= 1;
  if (machine.retained == 0) machine.destroy_context();
  return success;
}

DRIVER cuDevicePrimaryCtxReset_v2(int device) {
  BEGIN_WITH(start);
  DEMAND(device == 0, invalid_device);
  machine.destroy_context();
  return success;
}

DRIVER cuCtxSetCurrent(void* of) {
  BEGIN_WITH(start);
  DEMAND(of == nullptr || of == &machine, invalid_context);
  is_current = of != nullptr;
  return success;
}

DRIVER cuCtxGetCurrent(void** out) {
  BEGIN_WITH(start);
  OUT(out);
  *out = is_current ? &machine : nullptr;
  return success;
}

DRIVER cuCtxSynchronize() {
  BEGIN();
  const int refused = machine.refuse_capture(nullptr);
  return refused != 0 ? refused : machine.finish();
}

// Memory.

DRIVER cuMemGetInfo_v2(size_t* free, size_t* total) {
  BEGIN();
  OUT(free);
  OUT(total);
  *total = device_memory();
  *free = *total - (machine.memory.used() < *total ? machine.memory.used() : *total);
  return success;
}

DRIVER cuMemAlloc_v2(Address* out, size_t bytes) {
  BEGIN();
  OUT(out);
  DEMAND(bytes > 0, invalid_value);
  if (const int refused = machine.refuse_capture(nullptr)) return refused;
  DEMAND(bytes <= device_memory() && machine.memory.used() <= device_memory() - bytes, out_of_memory);
  *out = machine.memory.allocate(bytes);
  return *out == 0 ? out_of_memory : success;
}

DRIVER cuMemFree_v2(Address at) {
  BEGIN();
  if (at == 0) return success;
  if (const int refused = machine.refuse_capture(nullptr)) return refused;
  const std::string damage = machine.memory.damage(at);
  DEMAND(machine.memory.free(at), invalid_value);
  return damage.empty() ? success : machine.fault(illegal_address, "something wrote " + damage);
}

DRIVER cuMemHostAlloc(void** out, size_t bytes, unsigned) {
  BEGIN();
  OUT(out);
  DEMAND(bytes > 0, invalid_value);
  *out = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  return *out == nullptr ? out_of_memory : success;
}

DRIVER cuMemFreeHost(void* at) {
  BEGIN();
  free(at);
  return success;
}

static int copy(void* stream, Address to, Address from, size_t bytes) {
  Work work{Work::copy};
  work.to = to;
  work.from = from;
  work.bytes = bytes;
  return machine.enqueue(stream, std::move(work));
}

static int fill(void* stream, Work::Kind kind, Address to, unsigned value, size_t bytes) {
  DEMAND(machine.memory.holds(to, bytes), invalid_value);
  Work work{kind};
  work.to = to;
  work.value = value;
  work.bytes = bytes;
  return machine.enqueue(stream, std::move(work));
}

static Address address(const void* of) { return reinterpret_cast<Address>(of); }

DRIVER cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void* stream) {
  BEGIN();
  DEMAND(bytes == 0 || (from != nullptr && machine.memory.holds(to, bytes)), invalid_value);
  return copy(stream, to, address(from), bytes);
}

DRIVER cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void* stream) {
  BEGIN();
  DEMAND(bytes == 0 || (to != nullptr && machine.memory.holds(from, bytes)), invalid_value);
  return copy(stream, address(to), from, bytes);
}

DRIVER cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void* stream) {
  BEGIN();
  DEMAND(bytes == 0 || (machine.memory.holds(to, bytes) && machine.memory.holds(from, bytes)), invalid_value);
  return copy(stream, to, from, bytes);
}

DRIVER cuMemcpyHtoD_v2(Address to, const void* from, size_t bytes) {
  return cuMemcpyHtoDAsync_v2(to, from, bytes, nullptr);
}

DRIVER cuMemcpyDtoH_v2(void* to, Address from, size_t bytes) {
  const int code = cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr);
  return code != 0 ? code : machine.finish();
}

DRIVER cuMemsetD8Async(Address to, unsigned char value, size_t count, void* stream) {
  BEGIN();
  return fill(stream, Work::fill8, to, value, count);
}

DRIVER cuMemsetD32Async(Address to, unsigned value, size_t count, void* stream) {
  BEGIN();
  DEMAND(to % 4 == 0, invalid_value);
  return fill(stream, Work::fill32, to, value, 4 * count);
}

// Modules and launches.

DRIVER cuModuleLoadData(void** out, const void* image) {
  BEGIN();
  OUT(out);
  DEMAND(image != nullptr, invalid_value);
  if (const int refused = machine.refuse_capture(nullptr)) return refused;
  std::unique_ptr<Module> module;
  std::string text;
  const int code = load_module(image, module, text);
  if (code != 0) return machine.fault(code, text);
  *out = machine.modules.add(std::move(module));
  return success;
}

DRIVER cuModuleUnload(void* module) {
  BEGIN();
  return machine.modules.remove(module) ? success : invalid_handle;
}

DRIVER cuModuleGetFunction(void** out, void* module, const char* name) {
  BEGIN();
  OUT(out);
  DEMAND(name != nullptr, invalid_value);
  DEMAND(machine.modules.has(module), invalid_handle);
  *out = static_cast<Module*>(module)->function(name);
  return *out == nullptr ? not_found : success;
}

DRIVER cuFuncGetAttribute(int* value, int attribute, void* function) {
  BEGIN();
  OUT(value);
  DEMAND(function != nullptr, invalid_handle);
  switch (attribute) {
    case 0: *value = 1024; return success;                                                    // threads of a block
    case 1: *value = int(static_cast<Function*>(function)->shared_bytes); return success;     // shared memory
    case 2: case 3: *value = 0; return success;                                               // constant, local memory
    case 4: *value = 32; return success;                                                      // registers
    case 5: case 6: *value = capability(); return success;                                    // versions
    default: return invalid_value;
  }
}

DRIVER cuLaunchKernel(void* handle, unsigned blocks_x, unsigned blocks_y, unsigned blocks_z, unsigned threads_x,
                   unsigned threads_y, unsigned threads_z, unsigned dynamic, void* stream, void** parameters,
                   void** extra) {
  auto* const function = static_cast<Function*>(handle);
  BEGIN_WITH(context, function == nullptr ? nullptr : function->kernel->name);
  DEMAND(function != nullptr, invalid_handle);
  DEMAND(parameters != nullptr && extra == nullptr, invalid_value);
  DEMAND(blocks_x > 0 && blocks_y > 0 && blocks_z > 0 && threads_x > 0 && threads_y > 0 && threads_z > 0, invalid_value);
  DEMAND(blocks_x <= 2147483647u && blocks_y <= 65535 && blocks_z <= 65535, invalid_value);
  DEMAND(threads_x <= 1024 && threads_y <= 1024 && threads_z <= 64, invalid_value);
  DEMAND(threads_x * threads_y * threads_z <= 1024, invalid_value);
  DEMAND(dynamic == 0, not_supported);
  if (function->shared_bytes > 48 * 1024) {
    return machine.fault(launch_out_of_resources, std::string("kernel ") + function->kernel->name + " has " +
                                                      std::to_string(function->shared_bytes) + " bytes of shared memory");
  }
  Work work{Work::launch};
  work.function = function;
  work.blocks = {blocks_x, blocks_y, blocks_z};
  work.threads = {threads_x, threads_y, threads_z};
  for (unsigned which = 0; which < function->kernel->count; which += 1) {
    DEMAND(parameters[which] != nullptr, invalid_value);
    const auto* const value = static_cast<const unsigned char*>(parameters[which]);
    const size_t bytes = function->kernel->sizes[which];
    work.parameters.insert(work.parameters.end(), value, value + bytes);
    work.parameters.resize((work.parameters.size() + 15) / 16 * 16);
  }
  return machine.enqueue(stream, std::move(work));
}

DRIVER cuLaunchHostFunc(void* stream, void (*function)(void*), void* data) {
  BEGIN();
  DEMAND(function != nullptr, invalid_value);
  Work work{Work::call};
  work.function_of_host = function;
  work.data = data;
  return machine.enqueue(stream, std::move(work));
}

// Streams and graphs.

DRIVER cuStreamCreate(void** out, unsigned flags) {
  BEGIN();
  OUT(out);
  DEMAND(flags <= 1, invalid_value);
  auto stream = std::make_unique<Stream>();
  stream->blocking = flags == 0;
  *out = machine.streams.add(std::move(stream));
  return success;
}

DRIVER cuStreamDestroy_v2(void* stream) {
  BEGIN();
  return machine.streams.remove(stream) ? success : invalid_handle;
}

DRIVER cuStreamSynchronize(void* stream) {
  BEGIN();
  DEMAND(stream == nullptr || machine.streams.has(stream), invalid_handle);
  if (stream != nullptr && static_cast<Stream*>(stream)->capturing) return machine.refuse_capture(stream);
  return machine.finish();
}

DRIVER cuStreamQuery(void* stream) {
  BEGIN();
  DEMAND(stream == nullptr || machine.streams.has(stream), invalid_handle);
  if (stream != nullptr && static_cast<Stream*>(stream)->capturing) return machine.refuse_capture(stream);
  return success;
}

DRIVER cuStreamBeginCapture_v2(void* handle, int mode) {
  BEGIN();
  DEMAND(handle != nullptr, capture_unsupported);
  DEMAND(machine.streams.has(handle), invalid_handle);
  DEMAND(mode >= 0 && mode <= 2, invalid_value);
  auto* const stream = static_cast<Stream*>(handle);
  DEMAND(!stream->capturing, illegal_state);
  stream->capturing = true;
  stream->invalidated = false;
  stream->mode = mode;
  stream->graph = machine.graphs.add(std::make_unique<Graph>());
  return success;
}

DRIVER cuStreamEndCapture(void* handle, void** out) {
  BEGIN();
  OUT(out);
  DEMAND(machine.streams.has(handle), invalid_handle);
  auto* const stream = static_cast<Stream*>(handle);
  DEMAND(stream->capturing, illegal_state);
  stream->capturing = false;
  *out = stream->invalidated ? nullptr : stream->graph;
  if (!stream->invalidated) return success;
  machine.graphs.remove(stream->graph);
  return capture_invalidated;
}

DRIVER cuStreamIsCapturing(void* handle, int* status) {
  BEGIN();
  OUT(status);
  DEMAND(machine.streams.has(handle), invalid_handle);
  const auto* const stream = static_cast<Stream*>(handle);
  *status = !stream->capturing ? 0 : stream->invalidated ? 2 : 1;
  return success;
}

DRIVER cuGraphInstantiateWithFlags(void** out, void* graph, unsigned long long) {
  BEGIN();
  OUT(out);
  DEMAND(machine.graphs.has(graph), invalid_value);
  *out = machine.executables.add(std::make_unique<Graph>(*static_cast<Graph*>(graph)));
  return success;
}

DRIVER cuGraphLaunch(void* executable, void* stream) {
  BEGIN();
  DEMAND(machine.executables.has(executable), invalid_value);
  for (const Work& work : static_cast<Graph*>(executable)->work) {
    const int wanted =
        work.kind == Work::launch ? wanted_failure("cuLaunchKernel", work.function->kernel->name) : success;
    const int code = wanted != 0 ? machine.fault(wanted, "") : machine.enqueue(stream, work);
    if (code != 0) return code;
  }
  return success;
}

DRIVER cuGraphDestroy(void* graph) {
  BEGIN();
  return machine.graphs.remove(graph) ? success : invalid_value;
}

DRIVER cuGraphExecDestroy(void* executable) {
  BEGIN();
  return machine.executables.remove(executable) ? success : invalid_value;
}

// Events.

DRIVER cuEventCreate(void** out, unsigned flags) {
  BEGIN();
  OUT(out);
  auto event = std::make_unique<Event>();
  event->timed = (flags & 2) == 0;
  *out = machine.events.add(std::move(event));
  return success;
}

DRIVER cuEventDestroy_v2(void* event) {
  BEGIN();
  return machine.events.remove(event) ? success : invalid_handle;
}

DRIVER cuEventRecord(void* event, void* stream) {
  BEGIN();
  DEMAND(machine.events.has(event), invalid_handle);
  Work work{Work::record};
  work.event = static_cast<Event*>(event);
  return machine.enqueue(stream, std::move(work));
}

DRIVER cuEventQuery(void* event) {
  BEGIN();
  DEMAND(machine.events.has(event), invalid_handle);
  return static_cast<Event*>(event)->captured ? captured_event : machine.finish();
}

DRIVER cuEventSynchronize(void* event) {
  BEGIN();
  DEMAND(machine.events.has(event), invalid_handle);
  return static_cast<Event*>(event)->captured ? captured_event : machine.finish();
}

DRIVER cuEventElapsedTime(float* milliseconds, void* from, void* to) {
  BEGIN();
  OUT(milliseconds);
  DEMAND(machine.events.has(from) && machine.events.has(to), invalid_handle);
  const auto &a = *static_cast<Event*>(from), &b = *static_cast<Event*>(to);
  DEMAND(a.recorded && b.recorded && a.timed && b.timed, invalid_handle);
  *milliseconds = float(double(b.time.tv_sec - a.time.tv_sec) * 1e3 + double(b.time.tv_nsec - a.time.tv_nsec) / 1e6);
  return success;
}

DRIVER cuEventElapsedTime_v2(float* milliseconds, void* from, void* to) {
  return cuEventElapsedTime(milliseconds, from, to);
}

// Errors. The text of the error at hand says more than a device would.

DRIVER cuGetErrorName(int code, const char** out) {
  OUT(out);
  const ErrorText* const known = error_text(code);
  *out = known == nullptr ? nullptr : known->name;
  return known == nullptr ? invalid_value : success;
}

DRIVER cuGetErrorString(int code, const char** out) {
  OUT(out);
  const std::lock_guard<std::recursive_mutex> alone(machine.mutex);
  const ErrorText* const known = error_text(code);
  *out = known == nullptr ? nullptr : known->text;
  if (known == nullptr) return invalid_value;
  if (code == machine.detailed && !machine.detail.empty()) {
    static std::string said;
    said = std::string(known->text) + " (" + machine.detail + ")";
    *out = said.c_str();
  }
  return success;
}

}  // namespace pegen
