// See memory.hpp. An allocation ends with its last page: [guard][pages: front | data | tail][guard].

#include "memory.hpp"

#include <cstdio>
#include <cstring>

#include "abi.hpp"

namespace pegen {

static constexpr size_t alignment = 256;
static constexpr size_t page = 16 * 1024;           // a multiple of any page
static constexpr size_t guard = 64 * 1024 * 1024;   // addresses alone, never mapped
static constexpr size_t poisoned = 16 * 1024 * 1024;  // larger allocations begin as the system gives them
static constexpr size_t watched = 256;              // bytes before an allocation that are looked at
static constexpr unsigned char mark = 0xa5;

static constexpr size_t up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }
static unsigned char* pointer(Address at) { return reinterpret_cast<unsigned char*>(at); }
static Address end_of(const Allocation& of) { return of.mapping + of.mapped - guard; }

Address Memory::allocate(size_t bytes) {
  const size_t room = up(bytes, alignment);
  const size_t pages = up(room + watched, page);
  const size_t mapped = pages + 2 * guard;
  void* const mapping = mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return 0;
  const Address first = reinterpret_cast<Address>(mapping) + guard;
  if (mprotect(pointer(first), pages, PROT_READ | PROT_WRITE) != 0) {
    munmap(mapping, mapped);
    return 0;
  }
  const Address at = first + pages - room;
  memset(pointer(at - watched), mark, watched);
  memset(pointer(at + bytes), mark, room - bytes);
  if (bytes <= poisoned)
    for (size_t byte = 0; byte < bytes; byte += 4)
      memcpy(pointer(at + byte), &poison, bytes - byte < 4 ? bytes - byte : 4);
  if (sanitized()) {
    __asan_poison_memory_region(pointer(first), at - first);
    __asan_poison_memory_region(pointer(at + bytes), room - bytes);
  }
  allocations[at] = {bytes, reinterpret_cast<Address>(mapping), mapped, first};
  in_use += bytes;
  return at;
}

bool Memory::free(Address at) {
  const auto found = allocations.find(at);
  if (found == allocations.end()) return false;
  const Allocation& of = found->second;
  if (sanitized()) __asan_unpoison_memory_region(pointer(of.pages), end_of(of) - of.pages);
  munmap(pointer(of.mapping), of.mapped);
  in_use -= of.bytes;
  allocations.erase(found);
  return true;
}

void Memory::clear() {
  while (!allocations.empty()) free(allocations.begin()->first);
}

bool Memory::holds(Address at, size_t bytes) const {
  auto after = allocations.upper_bound(at);
  if (after == allocations.begin()) return false;
  const auto& [begin, of] = *--after;
  return at - begin <= of.bytes && bytes <= of.bytes - (at - begin);
}

std::string Memory::describe(Address at) const {
  char text[160];
  for (const auto& [begin, of] : allocations) {
    if (at < of.mapping || at >= of.mapping + of.mapped) continue;
    const bool before = at < begin;
    const unsigned long long distance = before ? begin - at : at - begin - of.bytes;
    snprintf(text, sizeof text, "%llu byte%s %s an allocation of %zu bytes", distance, distance == 1 ? "" : "s",
             before ? "before" : "past the end of", of.bytes);
    return text;
  }
  snprintf(text, sizeof text, "address 0x%llx", (unsigned long long)at);
  return text;
}

std::string Memory::damage(Address at) const {
  auto after = allocations.upper_bound(at);
  if (after == allocations.begin() || sanitized()) return "";
  const auto& [begin, of] = *--after;
  for (Address byte = begin + of.bytes; byte < end_of(of); byte += 1)
    if (*pointer(byte) != mark) return describe(byte);
  for (Address byte = begin; byte-- > begin - watched;)
    if (*pointer(byte) != mark) return describe(byte);
  return "";
}

std::string Memory::damage() const {
  for (const auto& [begin, of] : allocations)
    if (const std::string text = damage(begin); !text.empty()) return text;
  return "";
}

}  // namespace pegen
