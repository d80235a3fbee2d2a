// One piece of an attention op: some query rows of one segment of heads over all pages they see.
#pragma once

#include <optional>

#include "backend/cpu/kernels.h"
#include "backend/cpu/kv_cache.h"
#include "backend/cpu/storage.h"
#include "backend/cpu/tiles.h"

namespace tandem::cpu {

/// Consecutive tokens of a chunk. Their rows: (token, head) pairs of the segment, heads fastest.
struct AttentionTask {
  const SequenceChunk* chunk = nullptr;
  HeadSegment segment;
  int64_t first_token = 0, tokens = 0;  ///< in the chunk
};

/// Rows that share one look at a page: a multiple of what the kernels take at once.
inline int64_t attention_task_rows(const Kernels& kernels) {
  if (kernels.tiles != nullptr) return 4 * kTileRows;
  return 72 / kernels.page_rows * kernels.page_rows;
}

/// Where the state of the rows of one task lies in a thread's scratch.
class AttentionRunner {
 public:
  AttentionRunner(const Kernels& kernels, const AttentionArgs& args, Scratch& scratch);
  void run(const AttentionTask& task);

 private:
  /// Rows [begin, begin + rows) of a task, at most attention_task_rows().
  struct Rows {
    const AttentionTask& task;
    int64_t begin = 0, rows = 0;
    const PairKernels* pairs = nullptr;  ///< or one product at a time
    /// Of a step of a row of queries or probabilities.
    int64_t words() const { return pairs != nullptr ? kStep / 2 : kStep; }
  };
  /// A page's tiles as the kernels are to read them.
  struct Page {
    int64_t block = 0;
    DType type = DType::kF32;
    const std::byte* keys = nullptr;
    const std::byte* values = nullptr;
    const float* scales = nullptr;
    /// What to prefetch while the keys and the values are read, or nullptr.
    const std::byte* ahead_of_keys = nullptr;
    const std::byte* ahead_of_values = nullptr;
  };

  int64_t token_of(const AttentionTask& t, int64_t row) const {
    return t.first_token + row / t.segment.q_count;
  }
  int64_t position_of(const AttentionTask& t, int64_t row) const {
    return t.chunk->position + token_of(t, row);
  }
  int64_t first_key(int64_t position) const {
    return args_.window > 0 ? std::max<int64_t>(0, position - args_.window + 1) : 0;
  }
  std::byte* row_at(const Matrix& m, const AttentionTask& t, int64_t row) const;
  bool visible(const Rows& r, int64_t row, int64_t block, int& begin, int& end) const;
  const PairKernels* pairs_for(int64_t rows) const;
  void run_rows(const Rows& r);
  void load_queries(const Rows& r);
  Page page_at(const Rows& r, int64_t block, int64_t last) const;
  void expand(const Rows& r, Page& page);
  void group(const Rows& r, const Page& page, int64_t at, int64_t n);

  /// What the path through a matrix unit needs besides (attention_tiles.cc).
  struct Tiles {
    Tiles(const TileKernels& kernels, int64_t rows, int64_t width);
    int64_t scratch_floats() const;
    void take(float* at);

    TilesInUse in_use;
    int64_t row_tiles, steps;
    std::byte* queries = nullptr;  ///< [row tile][step][16][32]
    std::byte* weights = nullptr;  ///< probabilities: [row tile][2 steps of keys][16][32]
    float* scores = nullptr;       ///< [row][64]
    float* acc = nullptr;          ///< [16][width], of a row tile with rows of no concern
  };
  void load_query_tiles(const Rows& r);
  void page_by_tiles(const Rows& r, const Page& page);
  void softmax_to_tile(const Rows& r, const Page& page, int64_t i, std::byte* low);
  void add_values(const Page& page, int64_t from, int64_t to);

  const Kernels& kernels_;
  const AttentionArgs& args_;
  const CpuKvCache& cache_;
  int64_t steps_;
  int64_t width_;    ///< head_dim rounded up to whole steps
  DType p_type_;     ///< what probabilities are rounded to
  float* q_;         ///< by groups of page_rows: [steps][rows][words]
  float* acc_;       ///< [row][width]
  float* scores_;    ///< [page_rows][64]
  float* p_;         ///< [2 steps][page_rows][words]
  float* alpha_;     ///< [page_rows]
  float* max_;       ///< [row]
  float* sum_;       ///< [row]
  float* expanded_;  ///< a page's tiles, widened
  std::optional<Tiles> tiles_;
};

}  // namespace tandem::cpu
