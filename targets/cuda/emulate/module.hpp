// A module: the bytes of a CPU build of kernels come in, and their names, parameters and shared arrays go out.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "block.hpp"

namespace pegen {

struct Function {
  const Kernel* kernel;
  std::vector<Span> shared;
  size_t shared_bytes = 0;
};

struct Module {
  void* library = nullptr;
  int file = -1;
  std::vector<unsigned char> image;
  std::map<std::string, std::unique_ptr<Function>> functions;

  ~Module();
  /** Null where there is no such kernel. */
  Function* function(const std::string& name);
};

/** The driver's error code; `text` says more. */
int load_module(const void* image, std::unique_ptr<Module>& module, std::string& text);

}  // namespace pegen
