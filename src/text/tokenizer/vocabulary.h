// Tokens and their ids, both ways.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

/// A mixing hash of a byte string; equal on every machine.
uint64_t hash_bytes(std::string_view bytes);

class Vocabulary {
 public:
  /// Room for that many tokens, so that adding does not move anything.
  void reserve(size_t tokens, size_t bytes);
  /// False, and nothing is added, when the token or the id (>= 0) is there already.
  bool add(std::string_view token, int32_t id);

  int32_t find(std::string_view token) const { return find(token, hash_bytes(token)); }  ///< or -1
  int32_t find(std::string_view token, uint64_t hash) const;  ///< of hash_bytes(token)
  /// Brings what find() will read first into the cache: many tokens are looked up much faster when
  /// that is done some ahead.
  void prefetch(uint64_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
  }
  bool has(int32_t id) const;
  std::string_view token(int32_t id) const;  ///< empty where no token has the id
  size_t size() const { return entries_.size(); }
  int32_t largest_id() const { return static_cast<int32_t>(by_id_.size()) - 1; }

 private:
  struct Entry {  // the token is bytes_[begin, begin + size)
    uint32_t begin = 0;
    uint32_t size = 0;
    int32_t id = 0;
  };
  struct Slot {
    uint32_t hash = 0;
    Entry entry{0, 0, -1};  // id -1: free
  };
  void rehash(size_t slots);
  size_t slot_of(std::string_view token, uint64_t hash) const;
  std::string_view text(const Entry& entry) const {
    return {bytes_.data() + entry.begin, entry.size};
  }

  std::string bytes_;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> by_id_;  // index + 1; 0: no token
};

}  // namespace tandem
