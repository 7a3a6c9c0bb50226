// The device's memory: allocations that are mapped when they are touched, each between stretches that nobody may touch. A
// write just past an end, where the pages still are mapped, is found by the pattern that stands there. What is not too
// large begins as NaN, so that a read before a write shows.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "fiber.hpp"

namespace pegen {

using Address = uint64_t;

struct Allocation {
  size_t bytes;
  Address mapping;
  size_t mapped;
  Address pages;  // the first that may be touched; up to the end of the last is what the program sees
};

class Memory {
 public:
  /** 0 where the system has no more. The address is a multiple of 256. */
  Address allocate(size_t bytes);
  /** Of an address that allocate gave: false where it is none. */
  bool free(Address at);
  /** Whether all of these bytes are in one allocation. */
  bool holds(Address at, size_t bytes) const;
  /** How an address outside all allocations lies to the nearest. */
  std::string describe(Address at) const;
  /** What was written outside the allocation, or ''. */
  std::string damage(Address at) const;
  /** The same of all. */
  std::string damage() const;
  size_t used() const { return in_use; }
  void clear();

 private:
  std::map<Address, Allocation> allocations;
  size_t in_use = 0;
};

}  // namespace pegen
