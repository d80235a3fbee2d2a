// What one rank holds of a model: ranges of heads, columns and rows. Integers only.
#pragma once

#include <vector>

#include "backend/ops.h"
#include "model/placement.h"
#include "parallel/vocabulary.h"
#include "tandem/model.h"

namespace tandem {

/// The cut of a whole model over `ranks`. Any other contiguous runs are legal and keep the bits.
struct ModelSplit {
  int ranks = 1;
  std::vector<Range> heads;  ///< query heads of each rank
  Units ff;
  std::vector<Range> ff_runs;
  Units hidden;  ///< for what a family gathers or scatters of the residual stream
  std::vector<Range> hidden_runs;
  VocabularySplit vocab;
};
/// Units of a dimension and each rank's run of them: kHidden, kQueryHeads or kFeedForward.
struct DimSplit {
  Units units;
  const std::vector<Range>& runs;
};
ModelSplit split_model(const ModelSpec& spec, int ranks);
DimSplit dim_split(const ModelSpec& spec, const ModelSplit& split, Dim dim);

struct Shard {
  Range q_heads;
  Range kv_heads;  ///< those that its query heads need; one may be held by two ranks
  Range ff_columns;
  Range vocab_rows;
  Range hidden_columns;               ///< of what is gathered or scattered
  std::vector<HeadSegment> segments;  ///< indices local to the rank
  int64_t weight_bytes = 0;           ///< elements times stored type, replicas included
  int64_t kv_bytes_per_token = 0;
};
/// `weight`: type of the packed weights; `cache`: of keys and values.
Shard shard_of(const ModelSpec& spec, const ModelSplit& split, int rank, DType weight, DType cache);

/// Parameters of the model (a tied matrix counts once).
int64_t parameter_count(const ModelSpec& spec);

}  // namespace tandem
