// Pages of finished (and running) sequences by what was computed into them, so that a new request
// begins where its prompt stops being known. A tree: each node is one page and the tokens in it,
// each path from the root a prefix.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kv/block_pool.h"
#include "kv/page_copy.h"

namespace tandem {

/// A token as far as its keys and values depend on it: the id, and which rotation its position got.
/// Equal token lists have bit-equal keys and values (one model, one cache type).
using CacheToken = uint64_t;
constexpr CacheToken cache_token(int32_t id, uint32_t rotation) {
  return (static_cast<uint64_t>(rotation) << 32) | static_cast<uint32_t>(id);
}
constexpr int32_t token_id(CacheToken token) {
  return static_cast<int32_t>(static_cast<uint32_t>(token));
}

/// What a sequence got: its first `tokens` positions are computed already, once `copy` is done.
struct Reuse {
  int64_t tokens = 0;
  std::optional<PageCopy> copy;
};

/// Full pages are shared. A page known in part is copied, or taken over when its tokens are all
/// known, nobody else holds it and it has no successors (a chat's next turn). The cache holds one
/// reference of each of its pages; a page that only the cache holds is given away, the least
/// recently used leaf first.
///
/// Whoever holds a page of the tree holds all pages before it, so that a page held by the cache
/// alone has only such successors, and everything counted by evictable() can really be evicted.
class PrefixCache {
 public:
  explicit PrefixCache(BlockPool& pool);

  /// Fills the empty `table` with `pages` pages. At most `limit` tokens of `tokens` are reused (0:
  /// none). Nothing happens when there are not enough pages, now.
  std::optional<Reuse> acquire(std::span<const CacheToken> tokens, int64_t limit, int64_t pages,
                               BlockTable& table);
  /// A sequence has ended: what was computed for `tokens` stays, the table becomes empty.
  void store(std::span<const CacheToken> tokens, BlockTable& table);
  /// The full pages of a running sequence become visible to others. They must not be written again.
  void share(std::span<const CacheToken> tokens, const BlockTable& table);

  int64_t evictable() const;  ///< pages held by the cache alone
  int64_t pages() const;      ///< pages in the tree
  void clear();               ///< evicts all of those

 private:
  struct Node {
    int32_t block = -1;  // -1: the root, or free
    int32_t parent = -1;
    uint64_t used = 0;  // when, by clock_
    std::vector<CacheToken> tokens;
    std::vector<int32_t> children;
  };
  struct Match {
    std::vector<int32_t> full;  // nodes, from the root
    int32_t partial = -1;       // node, or none
    int64_t partial_tokens = 0;
    bool take_over = false;
  };

  Node& node(int32_t index) { return nodes_[static_cast<size_t>(index)]; }
  const Node& node(int32_t index) const { return nodes_[static_cast<size_t>(index)]; }
  Match match(std::span<const CacheToken> tokens);
  int32_t child_with(int32_t parent, std::span<const CacheToken> page) const;
  int32_t add(int32_t parent, std::span<const CacheToken> page, int32_t block);
  void remove_prefixes_of(int32_t parent, std::span<const CacheToken> page);
  void detach(int32_t index);
  void evict(int64_t pages);

  BlockPool& pool_;
  std::vector<Node> nodes_;      // [0] is the root
  std::vector<int32_t> unused_;  // free places in nodes_
  uint64_t clock_ = 0;
};

}  // namespace tandem
