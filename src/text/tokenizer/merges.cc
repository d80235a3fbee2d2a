#include "text/tokenizer/merges.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>

#include "base/check.h"

namespace tandem {
namespace {

using Merge = MergeTable::Merge;
constexpr uint32_t kNone = MergeTable::kNone;
// Up to here a scan over all pairs is faster than a heap.
constexpr size_t kShort = 64;

void merge_short(const MergeTable& table, std::vector<int32_t>& ids, size_t first) {
  std::array<Merge, kShort> pairs;  // pairs[i]: of symbols i and i + 1
  int32_t* symbols = ids.data() + first;
  size_t size = ids.size() - first;
  // The table is larger than the caches: all pairs wait for memory together.
  for (size_t i = 0; i + 1 < size; ++i) table.prefetch(symbols[i], symbols[i + 1]);
  for (size_t i = 0; i + 1 < size; ++i) pairs[i] = table.find(symbols[i], symbols[i + 1]);
  while (size > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < size; ++i) {
      if (pairs[i].rank < pairs[best].rank) best = i;
    }
    if (pairs[best].rank == kNone) break;
    symbols[best] = pairs[best].id;
    std::copy(symbols + best + 2, symbols + size, symbols + best + 1);
    std::copy(pairs.begin() + static_cast<ptrdiff_t>(best) + 1,
              pairs.begin() + static_cast<ptrdiff_t>(size) - 1,
              pairs.begin() + static_cast<ptrdiff_t>(best));
    --size;
    if (best > 0) table.prefetch(symbols[best - 1], symbols[best]);
    if (best + 1 < size) pairs[best] = table.find(symbols[best], symbols[best + 1]);
    if (best > 0) pairs[best - 1] = table.find(symbols[best - 1], symbols[best]);
  }
  ids.resize(first + size);
}

/// A doubly linked list of symbols and a heap of their pairs. Entries of pairs that are gone stay
/// in the heap and are known by their rank, which is no longer the node's.
class LongMerger {
 public:
  LongMerger(const MergeTable& table, MergeScratch& scratch)
      : table_(table), nodes_(scratch.nodes), heap_(scratch.heap) {}

  void run(std::vector<int32_t>& ids, size_t first) {
    fill(ids, first);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      const uint64_t top = heap_.back();
      heap_.pop_back();
      const auto at = static_cast<uint32_t>(top);
      if (nodes_[at].rank == static_cast<uint32_t>(top >> 32)) merge(at);
    }
    ids.resize(first);
    for (uint32_t at = 0; at != kNone; at = nodes_[at].next) ids.push_back(nodes_[at].id);
  }

 private:
  void fill(const std::vector<int32_t>& ids, size_t first) {
    const auto size = static_cast<uint32_t>(ids.size() - first);
    nodes_.resize(size);
    heap_.clear();
    for (uint32_t i = 0; i < size; ++i) {
      const bool last = i + 1 == size;
      const Merge pair = last ? Merge{} : table_.find(ids[first + i], ids[first + i + 1]);
      nodes_[i] = {ids[first + i], i == 0 ? kNone : i - 1, last ? kNone : i + 1, pair.rank,
                   pair.id};
      if (pair.rank != kNone) heap_.push_back(entry(pair.rank, i));
    }
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  static uint64_t entry(uint32_t rank, uint32_t at) { return (uint64_t{rank} << 32) | at; }

  void merge(uint32_t at) {
    MergeScratch::Node& node = nodes_[at];
    MergeScratch::Node& gone = nodes_[node.next];
    node.id = node.merged;
    node.next = gone.next;
    gone.rank = kNone;
    if (node.next != kNone) nodes_[node.next].previous = at;
    pair_up(at);
    if (node.previous != kNone) pair_up(node.previous);
  }

  void pair_up(uint32_t at) {
    MergeScratch::Node& node = nodes_[at];
    const Merge pair = node.next == kNone ? Merge{} : table_.find(node.id, nodes_[node.next].id);
    node.rank = pair.rank;
    node.merged = pair.id;
    if (pair.rank == kNone) return;
    heap_.push_back(entry(pair.rank, at));
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  const MergeTable& table_;
  std::vector<MergeScratch::Node>& nodes_;
  std::vector<uint64_t>& heap_;
};

}  // namespace

void MergeTable::reserve(size_t merges) {
  rehash(std::bit_ceil(std::max<size_t>(16, merges + merges / 2)));
}

void MergeTable::rehash(size_t slots) {
  std::vector<Slot> old(slots);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.merge.rank == kNone) continue;
    size_t at = place(slot.key);
    while (slots_[at].merge.rank != kNone) at = (at + 1) & (slots - 1);
    slots_[at] = slot;
  }
}

void MergeTable::set(int32_t left, int32_t right, Merge merge) {
  TANDEM_CHECK(left >= 0 && right >= 0 && merge.rank != kNone);
  if ((size_ + 1) * 4 > slots_.size() * 3) rehash(slots_.size() * 2);
  const uint64_t key = key_of(left, right);
  size_t at = place(key);
  while (slots_[at].merge.rank != kNone) {
    if (slots_[at].key == key) {
      slots_[at].merge = merge;
      return;
    }
    at = (at + 1) & (slots_.size() - 1);
  }
  slots_[at] = {key, merge};
  ++size_;
}

void apply_merges(const MergeTable& table, MergeScratch& scratch, std::vector<int32_t>& ids,
                  size_t first) {
  const size_t size = ids.size() - first;
  TANDEM_CHECK(size < kNone);
  if (size < 2) return;
  if (size <= kShort) {
    merge_short(table, ids, first);
  } else {
    LongMerger(table, scratch).run(ids, first);
  }
}

}  // namespace tandem
