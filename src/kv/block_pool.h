// Pages of the KV cache as numbers: who holds which, by reference counts. The same numbers are
// valid on every rank. Pages hold kKeyBlock tokens; what lies in them is the backend's business.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"

namespace tandem {

class BlockPool {
 public:
  explicit BlockPool(int64_t blocks) : refs_(static_cast<size_t>(blocks), 0) {
    for (int64_t block = blocks; block-- > 0;) free_.push_back(static_cast<int32_t>(block));
  }

  /// A page that nobody holds, with one reference. There must be one.
  int32_t allocate() {
    TANDEM_CHECK(!free_.empty());
    const int32_t block = free_.back();
    free_.pop_back();
    refs_[static_cast<size_t>(block)] = 1;
    return block;
  }
  void retain(int32_t block) {
    TANDEM_CHECK(refs(block) > 0);
    ++refs_[static_cast<size_t>(block)];
  }
  void release(int32_t block) {
    TANDEM_CHECK(refs(block) > 0);
    if (--refs_[static_cast<size_t>(block)] == 0) free_.push_back(block);
  }
  int32_t refs(int32_t block) const { return refs_.at(static_cast<size_t>(block)); }
  int64_t free() const { return static_cast<int64_t>(free_.size()); }
  int64_t size() const { return static_cast<int64_t>(refs_.size()); }

 private:
  std::vector<int32_t> refs_;  // per page
  std::vector<int32_t> free_;  // a stack: the page used last is the warmest
};

/// The pages of one sequence in order of position, one reference each, given back at the end.
class BlockTable {
 public:
  explicit BlockTable(BlockPool& pool) : pool_(&pool) {}
  ~BlockTable() { clear(); }
  BlockTable(BlockTable&& other) noexcept : pool_(other.pool_), blocks_(std::move(other.blocks_)) {
    other.blocks_.clear();
  }
  BlockTable& operator=(BlockTable&&) = delete;

  std::span<const int32_t> blocks() const { return blocks_; }
  /// Takes over one reference that the caller holds.
  void append(int32_t block) { blocks_.push_back(block); }
  void clear() {
    for (const int32_t block : blocks_) pool_->release(block);
    blocks_.clear();
  }

 private:
  BlockPool* pool_;
  std::vector<int32_t> blocks_;
};

}  // namespace tandem
