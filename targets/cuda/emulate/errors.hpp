// The driver's error codes with their names and texts, and the faults that tests ask for by environment variables.
#pragma once

#include <cstdlib>
#include <cstring>
#include <string>

namespace pegen {

enum Code : int {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  not_initialized = 3,
  no_device = 100,
  invalid_device = 101,
  invalid_image = 200,
  invalid_context = 201,
  no_binary_for_gpu = 209,
  symbol_not_found = 303,
  invalid_handle = 400,
  illegal_state = 401,
  not_found = 500,
  not_ready = 600,
  illegal_address = 700,
  launch_out_of_resources = 701,
  misaligned_address = 716,
  launch_failed = 719,
  not_supported = 801,
  capture_unsupported = 900,
  capture_invalidated = 901,
  capture_implicit = 906,
  captured_event = 907,
};

struct ErrorText {
  int code;
  const char* name;
  const char* text;
};

constexpr ErrorText error_texts[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {4, "CUDA_ERROR_DEINITIALIZED", "driver shutting down"},
    {34, "CUDA_ERROR_STUB_LIBRARY", "CUDA driver is a stub library"},
    {46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {214, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"},
    {218, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain"},
    {303, "CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND", "shared object symbol not found"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {401, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {600, "CUDA_ERROR_NOT_READY", "device not ready"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {702, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {709, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {714, "CUDA_ERROR_HARDWARE_STACK_ERROR", "hardware stack error"},
    {715, "CUDA_ERROR_ILLEGAL_INSTRUCTION", "an illegal instruction was encountered"},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {801, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"},
    {804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE", "forward compatibility was attempted on non supported HW"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
    {906, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT", "operation would make the legacy stream depend on a capturing stream"},
    {907, "CUDA_ERROR_CAPTURED_EVENT", "operation not permitted on an event last recorded in a capturing stream"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

inline const ErrorText* error_text(int code) {
  for (const ErrorText& each : error_texts)
    if (each.code == code) return &each;
  return nullptr;
}

/** After these a context answers every call with the same code. */
inline bool is_sticky(int code) {
  return code == 700 || code == 702 || code == 709 || (code >= 714 && code <= 719) || code == 214;
}

inline long long number_of_environment(const char* name, long long otherwise) {
  const char* const text = getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : strtoll(text, nullptr, 10);
}

/** Whether a symbol is this kernel: its name, perhaps with _ and a hash of 12 digits behind it. */
inline bool is_kernel(const std::string& symbol, const std::string& name) {
  if (symbol.compare(0, name.size(), name) != 0) return false;
  const std::string rest = symbol.substr(name.size());
  return rest.empty() || (rest.size() == 13 && rest[0] == '_' && rest.find_first_not_of("0123456789abcdef", 1) == std::string::npos);
}

/** PEGEN_MOCK_FAIL=function:code[:kernel][,...]: the code that this call is to fail with, or 0. */
inline int wanted_failure(const char* function, const char* kernel) {
  const char* at = getenv("PEGEN_MOCK_FAIL");
  while (at != nullptr && *at != '\0') {
    const size_t length = strcspn(at, ",");
    const std::string entry(at, length);
    const size_t colon = entry.find(':');
    if (colon != std::string::npos && entry.compare(0, colon, function) == 0) {
      const size_t second = entry.find(':', colon + 1);
      if (second == std::string::npos || (kernel != nullptr && is_kernel(kernel, entry.substr(second + 1))))
        return atoi(entry.c_str() + colon + 1);
    }
    at += length + (at[length] == ',' ? 1 : 0);
  }
  return 0;
}

}  // namespace pegen
