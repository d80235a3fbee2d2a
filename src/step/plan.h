// All that the ranks must agree on for one forward pass: made on rank 0, broadcast as bytes,
// executed by all. Device buffers, weights and the vocabulary are not mentioned: a plan is integers
// and rope rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kv/page_copy.h"

namespace tandem {

enum class StepKind : uint8_t {
  kForward = 1,   ///< run the model over `ids`
  kShutdown = 2,  ///< the engine ends: workers return
  kReport = 3,    ///< every rank says what it holds and has done (HostComm::gather)
};

/// Consecutive tokens of one sequence: rows [row_begin, row_begin + rows) of the step, at positions
/// [position, position + rows). The cache holds everything before `position`.
struct PlanChunk {
  int64_t row_begin = 0;
  int64_t rows = 0;
  int64_t position = 0;
  int64_t block_begin =
      0;  ///< the sequence's pages: StepPlan::blocks [block_begin, + block_count),
  int32_t block_count = 0;  ///< in order of position, enough for position + rows
  int32_t rope_table = 0;

  bool operator==(const PlanChunk&) const = default;
};

/// Rows [first, first + count) of one rope table; each is cos(half), sin(half), query scale
/// (backend/backend.h, RopeTables::set_rows).
struct PlanRopeRows {
  int32_t table = 0;
  int64_t first = 0;
  std::vector<float> values;

  bool operator==(const PlanRopeRows&) const = default;
};

/// Executed in the order of the fields: drop tables, set rope rows, copy pages one after another,
/// then the forward pass over all chunks, then the head over `logit_rows`.
struct StepPlan {
  StepKind kind = StepKind::kForward;
  uint64_t step = 0;         ///< counts from 1; error messages name it
  bool verify = false;       ///< every rank hashes its replicated residual after each layer
  bool full_logits = false;  ///< rank 0 needs whole rows of logits, not only their statistics

  std::vector<int32_t> drop_tables;
  std::vector<PlanRopeRows> rope_rows;
  std::vector<PageCopy> copies;
  std::vector<int32_t> ids;  ///< one per row
  std::vector<PlanChunk> chunks;
  std::vector<int32_t> blocks;      ///< all chunks' pages, one chunk after another
  std::vector<int32_t> logit_rows;  ///< ascending rows whose logits are wanted

  int64_t rows() const { return static_cast<int64_t>(ids.size()); }
  std::span<const int32_t> blocks_of(const PlanChunk& chunk) const {
    return std::span(blocks).subspan(static_cast<size_t>(chunk.block_begin),
                                     static_cast<size_t>(chunk.block_count));
  }
  /// Empties everything and keeps the memory (a decode step then allocates nothing).
  void clear();

  bool operator==(const StepPlan&) const = default;
};

/// The byte form: little-endian, with a version and the counts of all lists in a fixed header.
/// `bytes` is overwritten and keeps its memory.
void encode(const StepPlan& plan, std::vector<std::byte>& bytes);

/// Reads what encode() wrote into `plan`, reusing its memory. Throws Error(kRankFailure) on
/// anything else: another version, a length that does not match, chunks that do not tile the rows,
/// pages that do not cover a chunk. Never allocates more than a small multiple of bytes.size().
void decode(std::span<const std::byte> bytes, StepPlan& plan);

}  // namespace tandem
