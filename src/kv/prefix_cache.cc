#include "kv/prefix_cache.h"

#include <algorithm>
#include <queue>

#include "base/arithmetic.h"

namespace tandem {
namespace {

int64_t common_prefix(std::span<const CacheToken> a, std::span<const CacheToken> b) {
  const size_t n = std::min(a.size(), b.size());
  size_t i = 0;
  while (i < n && a[i] == b[i]) ++i;
  return static_cast<int64_t>(i);
}

std::span<const CacheToken> page_of(std::span<const CacheToken> tokens, size_t page) {
  const auto rest = tokens.subspan(page * kKeyBlock);
  return rest.first(std::min<size_t>(rest.size(), kKeyBlock));
}

}  // namespace

PrefixCache::PrefixCache(BlockPool& pool) : pool_(pool), nodes_(1) {}

PrefixCache::Match PrefixCache::match(std::span<const CacheToken> tokens) {
  Match found;
  int32_t at = 0;
  while (!tokens.empty()) {
    int32_t best = -1;
    int64_t most = 0;
    for (const int32_t child : node(at).children) {
      const int64_t common = common_prefix(node(child).tokens, tokens);
      if (common > most) {
        most = common;
        best = child;
      }
    }
    if (best < 0) break;
    node(best).used = ++clock_;
    if (most < kKeyBlock) {
      found.partial = best;
      found.partial_tokens = most;
      found.take_over = most == static_cast<int64_t>(node(best).tokens.size()) &&
                        node(best).children.empty() && pool_.refs(node(best).block) == 1;
      break;
    }
    found.full.push_back(best);
    at = best;
    tokens = tokens.subspan(kKeyBlock);
  }
  return found;
}

std::optional<Reuse> PrefixCache::acquire(std::span<const CacheToken> tokens, int64_t limit,
                                          int64_t pages, BlockTable& table) {
  TANDEM_CHECK(table.blocks().empty() && limit <= static_cast<int64_t>(tokens.size()));
  TANDEM_CHECK(limit <= pages * kKeyBlock);
  Match found = match(tokens.first(static_cast<size_t>(limit)));
  for (const int32_t index : found.full) {
    pool_.retain(node(index).block);
    table.append(node(index).block);
  }
  int64_t missing = pages - static_cast<int64_t>(found.full.size());
  const bool copies = found.partial >= 0 && !found.take_over;
  if (copies) pool_.retain(node(found.partial).block);  // not evicted before it is copied
  if (missing > pool_.free() + evictable()) {
    // The page to be copied from may be the one that is missing: then its tokens are computed
    // again.
    if (copies) pool_.release(node(found.partial).block);
    found.partial = -1;
    if (missing > pool_.free() + evictable()) {
      table.clear();
      return std::nullopt;
    }
  }
  Reuse reuse;
  reuse.tokens = static_cast<int64_t>(found.full.size()) * kKeyBlock;
  if (found.partial >= 0) {
    reuse.tokens += found.partial_tokens;
    if (found.take_over) {
      table.append(node(found.partial).block);  // with the cache's reference
      detach(found.partial);
      --missing;
    }
  }
  const size_t first_new = table.blocks().size();
  evict(missing - pool_.free());
  for (; missing > 0; --missing) table.append(pool_.allocate());
  if (found.partial >= 0 && !found.take_over) {
    const int32_t from = node(found.partial).block;
    reuse.copy = PageCopy{from, table.blocks()[first_new]};
    pool_.release(from);
  }
  return reuse;
}

/// A child that begins with all of `page`, or -1.
int32_t PrefixCache::child_with(int32_t parent, std::span<const CacheToken> page) const {
  for (const int32_t child : node(parent).children)
    if (common_prefix(node(child).tokens, page) == static_cast<int64_t>(page.size())) return child;
  return -1;
}

int32_t PrefixCache::add(int32_t parent, std::span<const CacheToken> page, int32_t block) {
  if (unused_.empty()) {
    unused_.push_back(static_cast<int32_t>(nodes_.size()));
    nodes_.emplace_back();
  }
  const int32_t index = unused_.back();
  unused_.pop_back();
  pool_.retain(block);
  Node& added = node(index);
  added.block = block;
  added.parent = parent;
  added.used = ++clock_;
  added.tokens.assign(page.begin(), page.end());
  node(parent).children.push_back(index);
  return index;
}

/// A page that begins with all tokens of another one, which nobody uses, replaces it.
void PrefixCache::remove_prefixes_of(int32_t parent, std::span<const CacheToken> page) {
  std::vector<int32_t> superseded;
  for (const int32_t child : node(parent).children) {
    const std::vector<CacheToken>& tokens = node(child).tokens;
    const bool prefix = tokens.size() < page.size() &&
                        common_prefix(tokens, page) == static_cast<int64_t>(tokens.size());
    if (prefix && pool_.refs(node(child).block) == 1) superseded.push_back(child);
  }
  for (const int32_t child : superseded) {
    pool_.release(node(child).block);
    detach(child);
  }
}

void PrefixCache::store(std::span<const CacheToken> tokens, BlockTable& table) {
  int32_t at = 0;
  for (size_t page = 0; page * kKeyBlock < tokens.size(); ++page) {
    const auto part = page_of(tokens, page);
    const int32_t known = child_with(at, part);
    if (known >= 0) {
      node(known).used = ++clock_;
      at = known;
    } else {
      remove_prefixes_of(at, part);
      at = add(at, part, table.blocks()[page]);
    }
  }
  table.clear();
}

void PrefixCache::share(std::span<const CacheToken> tokens, const BlockTable& table) {
  int32_t at = 0;
  for (size_t page = 0; (page + 1) * kKeyBlock <= tokens.size(); ++page) {
    const auto part = page_of(tokens, page);
    const int32_t known = child_with(at, part);
    const int32_t block = table.blocks()[page];
    // Another sequence computed the same: this one does not hold that page, so nothing of it may
    // come after it (see the class comment).
    if (known >= 0 && node(known).block != block) return;
    if (known < 0) remove_prefixes_of(at, part);
    at = known >= 0 ? known : add(at, part, block);
  }
}

/// Takes a leaf out of the tree; its reference is the caller's from now on.
void PrefixCache::detach(int32_t index) {
  Node& gone = node(index);
  TANDEM_CHECK(gone.children.empty() && index != 0);
  std::erase(node(gone.parent).children, index);
  gone.block = -1;
  gone.parent = -1;
  gone.tokens.clear();
  unused_.push_back(index);
}

void PrefixCache::evict(int64_t pages) {
  if (pages <= 0) return;
  using Entry = std::pair<uint64_t, int32_t>;  // (used, node): the oldest on top
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> leaves;
  auto consider = [&](int32_t index) {
    const Node& one = node(index);
    if (one.block >= 0 && one.children.empty() && pool_.refs(one.block) == 1)
      leaves.push({one.used, index});
  };
  for (size_t i = 1; i < nodes_.size(); ++i) consider(static_cast<int32_t>(i));
  for (; pages > 0; --pages) {
    TANDEM_CHECK(!leaves.empty());
    const int32_t index = leaves.top().second;
    leaves.pop();
    const int32_t parent = node(index).parent;
    pool_.release(node(index).block);
    detach(index);
    if (parent != 0) consider(parent);
  }
}

int64_t PrefixCache::evictable() const {
  return std::count_if(nodes_.begin(), nodes_.end(), [this](const Node& one) {
    return one.block >= 0 && pool_.refs(one.block) == 1;
  });
}

int64_t PrefixCache::pages() const {
  return static_cast<int64_t>(nodes_.size() - unused_.size()) - 1;
}

void PrefixCache::clear() { evict(evictable()); }

}  // namespace tandem
