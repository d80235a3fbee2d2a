// The merges of byte-pair encoding, and their application to one piece of text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace tandem {

/// (left id, right id) -> rank and the id of both together.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank = kNone;
    int32_t id = -1;
  };
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

  void reserve(size_t merges);
  /// Adds a pair, or gives it another rank.
  void set(int32_t left, int32_t right, Merge merge);
  /// Brings what set() and find() will read first into the cache.
  void prefetch(int32_t left, int32_t right) const {
    __builtin_prefetch(&slots_[place(key_of(left, right))], 1);
  }
  Merge find(int32_t left, int32_t right) const {
    const uint64_t key = key_of(left, right);
    for (size_t at = place(key);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.key == key) return slot.merge;
      if (slot.merge.rank == kNone) return {};
    }
  }

 private:
  struct Slot {
    uint64_t key = ~uint64_t{0};
    Merge merge;
  };
  static uint64_t key_of(int32_t left, int32_t right) {
    return (uint64_t{static_cast<uint32_t>(left)} << 32) | static_cast<uint32_t>(right);
  }
  size_t place(uint64_t key) const {
    key = (key ^ (key >> 31)) * 0x9e3779b97f4a7c15u;
    key = (key ^ (key >> 29)) * 0xd6e8feb86659fd93u;
    return (key >> 20) & (slots_.size() - 1);
  }
  void rehash(size_t slots);

  std::vector<Slot> slots_ = std::vector<Slot>(16);
  size_t size_ = 0;
};

/// Buffers for merging; grow to the longest piece.
struct MergeScratch {
  struct Node {
    int32_t id;
    uint32_t previous;
    uint32_t next;
    uint32_t rank;   // of the merge with the next node
    int32_t merged;  // the id that this merge gives
  };
  std::vector<Node> nodes;
  std::vector<uint64_t> heap;  // rank and position, smallest first
};

/// Merges neighbours in the order of rank, leftmost first, until none is left: `ids` from `first`
/// on are replaced. n log n for n symbols.
void apply_merges(const MergeTable& table, MergeScratch& scratch, std::vector<int32_t>& ids,
                  size_t first);

}  // namespace tandem
