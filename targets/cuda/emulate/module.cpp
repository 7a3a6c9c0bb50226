// See module.hpp. A build is a shared object, loaded from memory. The shared arrays of a kernel are its static variables,
// which the object's table of symbols lists as _ZZ<length><kernel>E<length><array> (the Itanium C++ ABI).

#include "module.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "errors.hpp"

namespace pegen {

Module::~Module() {
  if (library != nullptr) dlclose(library);
  if (file >= 0) close(file);
}

/** How long an image is, from the table of sections at its end; 0 where it is none. */
static size_t bytes_of_image(const void* image) {
  const auto* const header = static_cast<const ElfW(Ehdr)*>(image);
  if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64) return 0;
  return size_t(header->e_shoff) + size_t(header->e_shnum) * header->e_shentsize;
}

int load_module(const void* image, std::unique_ptr<Module>& module, std::string& text) {
  const size_t bytes = bytes_of_image(image);
  if (bytes == 0) {
    text = "the image is no shared object";
    return invalid_image;
  }
  module = std::make_unique<Module>();
  module->image.assign(static_cast<const unsigned char*>(image), static_cast<const unsigned char*>(image) + bytes);
  const auto* const header = reinterpret_cast<const ElfW(Ehdr)*>(module->image.data());
  if (header->e_type != ET_DYN) {
    text = "the image was compiled for a GPU, not for the emulation";
    return no_binary_for_gpu;
  }
  module->file = memfd_create("kernels", 0);
  if (module->file < 0 || write(module->file, image, bytes) != ssize_t(bytes)) {
    text = "the image cannot be stored";
    return invalid_image;
  }
  // A library that does not go away when it is closed would be found again under its path.
  const auto path_of = [](int file) { return "/proc/self/fd/" + std::to_string(file); };
  std::vector<int> taken;
  while (void* const other = dlopen(path_of(module->file).c_str(), RTLD_NOW | RTLD_NOLOAD)) {
    dlclose(other);
    taken.push_back(module->file);
    module->file = dup(module->file);
  }
  for (const int file : taken) close(file);
  const std::string path = path_of(module->file);
  module->library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module->library != nullptr) return 0;
  text = dlerror();
  return symbol_not_found;
}

static void find_shared(const Module& module, Function& function) {
  struct link_map* map = nullptr;
  dlinfo(module.library, RTLD_DI_LINKMAP, &map);
  const std::string name = function.kernel->name;
  const std::string prefix = "_ZZ" + std::to_string(name.size()) + name + "E";
  const unsigned char* const base = module.image.data();
  const auto* const header = reinterpret_cast<const ElfW(Ehdr)*>(base);
  const auto* const sections = reinterpret_cast<const ElfW(Shdr)*>(base + header->e_shoff);
  for (unsigned section = 0; section < header->e_shnum; section += 1) {
    if (sections[section].sh_type != SHT_SYMTAB) continue;
    const char* const names = reinterpret_cast<const char*>(base + sections[sections[section].sh_link].sh_offset);
    const auto* const symbols = reinterpret_cast<const ElfW(Sym)*>(base + sections[section].sh_offset);
    for (size_t at = 0; at < sections[section].sh_size / sizeof *symbols; at += 1) {
      const auto& symbol = symbols[at];
      if (symbol.st_size == 0 || strncmp(names + symbol.st_name, prefix.c_str(), prefix.size()) != 0) continue;
      function.shared.push_back({reinterpret_cast<unsigned char*>(map->l_addr + symbol.st_value), symbol.st_size});
      function.shared_bytes += symbol.st_size;
    }
  }
}

Function* Module::function(const std::string& name) {
  const auto known = functions.find(name);
  if (known != functions.end()) return known->second.get();
  const auto* const kernel = static_cast<const Kernel*>(dlsym(library, (name + "_on_cpu").c_str()));
  if (kernel == nullptr) return nullptr;
  auto function = std::make_unique<Function>();
  function->kernel = kernel;
  find_shared(*this, *function);
  return (functions[name] = std::move(function)).get();
}

}  // namespace pegen
