// Vocabulary-parallel embedding and head. Tied: one packed matrix serves both.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "parallel/linear.h"

namespace tandem {

/// How the rows of the vocabulary are shared out.
struct VocabularySplit {
  Units units;
  std::vector<Range> runs;  ///< units of each rank
  Range rows(int rank) const { return units.elements(runs[static_cast<size_t>(rank)]); }
};

/// This rank's rows [N, hidden], packed; nullptr when it has none.
std::shared_ptr<PackedLinear> pack_vocabulary(Backend& backend, const LinearSource& source);

/// The owner of a row publishes it, the others read it: no addition.
class VocabularyEmbedding {
 public:
  VocabularyEmbedding(const ParallelContext& context, std::shared_ptr<PackedLinear> table,
                      const VocabularySplit& split);
  /// Returns float32 [ids, hidden], readable until the next collective.
  Matrix forward(std::span<const int32_t> ids, int64_t hidden);

 private:
  ParallelContext context_;
  std::shared_ptr<PackedLinear> table_;
  VocabularySplit split_;
  std::vector<int32_t> owners_;
};

/// Logits of some rows where rank 0 can read them, with each vocabulary unit's statistics. Each
/// rank writes one section of the gathered row: its logits, padded to a panel, then its units'
/// UnitStats as raw bytes.
class ParallelHead {
 public:
  ParallelHead(const ParallelContext& context, std::shared_ptr<PackedLinear> head,
               const VocabularySplit& split);

  /// Floats of one gathered row (DeviceCommSpec::max_gather_floats = rows * this).
  static int64_t gathered_columns(const VocabularySplit& split);

  /// hidden: T [rows, hidden], padded with zeros to whole steps, after the final norm. All ranks
  /// call it; then rank 0 may read until the next collective.
  void forward(const Matrix& hidden);
  /// Rank 0: logits of one row, contiguous, `out` of vocabulary size.
  void read_logits(int64_t row, std::span<float> out) const;
  /// Rank 0: statistics of one row in order of the units, `out` of units.count().
  void read_stats(int64_t row, std::span<UnitStats> out) const;

 private:
  struct Section {
    Range rows;
    Range units;
    int64_t begin = 0;        ///< column where the rank's section begins
    int64_t stats_begin = 0;  ///< column where its statistics begin
  };
  static std::vector<Section> sections(const VocabularySplit& split);

  ParallelContext context_;
  std::shared_ptr<PackedLinear> head_;
  VocabularySplit split_;
  std::vector<Section> sections_;
  std::vector<int64_t> begins_;
  int64_t columns_ = 0;
  Matrix gathered_;
  std::vector<UnitStats> stats_;
};

/// log(sum of exp) over all units, combined in unit order in double: the same bits for every world
/// size.
double log_sum_exp(std::span<const UnitStats> stats);
/// The largest logit's id, the lowest on ties.
int32_t argmax(std::span<const UnitStats> stats);

}  // namespace tandem
