// The order in which blocks, and the threads of a block, get their turn: PEGEN_EMULATE_ORDER is forward, reverse or
// random:SEED. A correct kernel gives the same bits in every order.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

namespace pegen {

struct Order {
  enum Kind { forward, reverse, random } kind = forward;
  uint64_t state = 1;

  uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
};

/** `launch` makes the random orders of launches differ. */
inline Order order_of_environment(uint64_t launch) {
  Order order;
  const char* const text = getenv("PEGEN_EMULATE_ORDER");
  if (text == nullptr) return order;
  if (strcmp(text, "reverse") == 0) order.kind = Order::reverse;
  if (strncmp(text, "random", 6) == 0) {
    order.kind = Order::random;
    const uint64_t seed = text[6] == ':' ? strtoull(text + 7, nullptr, 10) : 1;
    order.state = (seed * 1000003 + launch + 1) * 0x9e3779b97f4a7c15ull | 1;
  }
  return order;
}

/** A permutation of the threads, which is overwritten. */
inline void arrange(std::vector<unsigned>& threads, Order& order) {
  const unsigned count = unsigned(threads.size());
  std::iota(threads.begin(), threads.end(), 0u);
  if (order.kind == Order::reverse)
    for (unsigned at = 0; at < count; at += 1) threads[at] = count - 1 - at;
  if (order.kind == Order::random)
    for (unsigned last = count - 1; last > 0; last -= 1) std::swap(threads[last], threads[order.next() % (last + 1)]);
}

/** A permutation of the blocks without a list of them: at -> at * step + begin (mod count), step and count coprime. */
struct Blocks {
  uint64_t count, step = 1, begin = 0;

  Blocks(uint64_t blocks, Order& order) : count(blocks) {
    if (order.kind == Order::reverse) step = begin = count - 1;
    if (order.kind != Order::random) return;
    begin = order.next() % count;
    do step = 1 + order.next() % count;
    while (std::gcd(step, count) != 1);
  }
  uint64_t at(uint64_t place) const {
    return uint64_t((static_cast<unsigned __int128>(place) * step + begin) % count);
  }
};

}  // namespace pegen
