// Remembers the ids of short pieces of text: most words of a text have occurred before.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace tandem {

/// A table of fixed size without chains: a new word takes the place of the one that was there. One
/// entry is one cache line, so that a hit costs one.
class WordCache {
 public:
  static constexpr size_t kMaxBytes = 24;
  static constexpr size_t kMaxIds = 8;
  static constexpr size_t kEntries = size_t{1} << 15;  // 2 MiB: what a core's second cache holds

  struct alignas(64) Entry {
    std::array<uint64_t, 3> word;  // padded with zeros
    std::array<int32_t, kMaxIds> ids;
    uint32_t bytes;
    uint32_t count;  // 0: free
  };
  static_assert(sizeof(Entry) == 64);

  WordCache() : entries_(static_cast<Entry*>(std::aligned_alloc(64, kEntries * sizeof(Entry)))) {
    if (!entries_) throw std::bad_alloc();
    std::memset(static_cast<void*>(entries_.get()), 0, kEntries * sizeof(Entry));
  }

  /// A word that fits (1 to kMaxBytes bytes) and its place in the table.
  struct Key {
    std::array<uint64_t, 3> word{};
    uint32_t bytes = 0;
    uint32_t place = 0;
  };
  static Key key(std::string_view word) {
    Key key;
    std::memcpy(key.word.data(), word.data(), word.size());
    key.bytes = static_cast<uint32_t>(word.size());
    uint64_t hash = (key.word[0] ^ key.bytes) * 0x9e3779b97f4a7c15u;
    hash = ((hash ^ (hash >> 29)) + key.word[1]) * 0xd6e8feb86659fd93u;
    hash = ((hash ^ (hash >> 32)) + key.word[2]) * 0xa0761d6478bd642fu;
    key.place = static_cast<uint32_t>(hash >> 40) & (kEntries - 1);
    return key;
  }

  /// Appends the word's ids and returns true when it is there.
  bool find(const Key& key, std::vector<int32_t>& ids) const {
    const Entry& entry = entries_.get()[key.place];
    if (entry.count == 0 || entry.bytes != key.bytes || entry.word != key.word) return false;
    ids.insert(ids.end(), entry.ids.begin(), entry.ids.begin() + entry.count);
    return true;
  }
  void store(const Key& key, const int32_t* ids, size_t count) {
    if (count == 0 || count > kMaxIds) return;
    Entry& entry = entries_.get()[key.place];
    entry.word = key.word;
    entry.bytes = key.bytes;
    entry.count = static_cast<uint32_t>(count);
    std::memcpy(entry.ids.data(), ids, count * sizeof(int32_t));
  }

 private:
  struct Free {
    void operator()(Entry* entries) const { std::free(entries); }
  };
  std::unique_ptr<Entry, Free> entries_;
};

}  // namespace tandem
