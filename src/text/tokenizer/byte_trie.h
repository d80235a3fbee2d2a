// A set of byte strings in which all that begin a text are found in one walk.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace tandem {

/// Nodes are numbers from 0 (the root); the edges are in one hash table.
class ByteTrie {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  void add(std::string_view key, int32_t value);
  /// The child of `node`, or kNone.
  uint32_t child(uint32_t node, uint8_t byte) const {
    const uint64_t key = key_of(node, byte);
    for (size_t at = place(key);; at = (at + 1) & (edges_.size() - 1)) {
      if (edges_[at].key == key) return edges_[at].to;
      if (edges_[at].key == 0) return kNone;
    }
  }
  int32_t value(uint32_t node) const { return values_[node]; }  ///< -1: no key ends here

 private:
  struct Edge {
    uint64_t key = 0;
    uint32_t to = 0;
  };
  static uint64_t key_of(uint32_t node, uint8_t byte) { return (uint64_t{node} << 8 | byte) + 1; }
  size_t place(uint64_t key) const {
    return ((key * 0x9e3779b97f4a7c15u) >> 20) & (edges_.size() - 1);
  }
  void rehash(size_t size);

  std::vector<Edge> edges_ = std::vector<Edge>(1024);
  std::vector<int32_t> values_ = {-1};
};

}  // namespace tandem
