// What one rank holds of a model: ranges of heads, columns and rows. Integers only.
#pragma once

#include <map>
#include <string_view>
#include <utility>
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
/// How the input side of a weight is cut, where chains and groups of quantized values restart: the
/// units of a row-parallel one, else a single unit.
Units input_units(const ModelSpec& spec, const WeightRule& rule);
DimSplit dim_split(const ModelSpec& spec, const ModelSplit& split, Dim dim);

struct Shard {
  int rank = 0;
  Range q_heads;
  Range kv_heads;  ///< those that its query heads need; one may be held by two ranks
  Range ff_columns;
  Range vocab_rows;
  Range hidden_columns;               ///< of what is gathered or scattered
  std::vector<HeadSegment> segments;  ///< indices local to the rank
  int64_t weight_bytes = 0;           ///< of its elements as they are kept, replicas included
  int64_t kv_bytes_per_token = 0;
};

/// Embedding and head are int8 wherever the blocks' linears are quantized while loading.
constexpr WeightFormat vocabulary_form(WeightFormat blocks) {
  return is_quantized(blocks) ? WeightFormat::kInt8 : WeightFormat::kFloat;
}

/// How the packed weights are kept: the type of those in floating point, and the quantized ones.
struct WeightForms {
  DType type = DType::kBF16;
  WeightFormat quantize = WeightFormat::kFloat;  ///< of weights that are stored in floating point
  /// By rule (of the spec) and layer: those that the checkpoint has quantized.
  std::map<std::pair<const WeightRule*, int64_t>, WeightFormat> stored;

  WeightFormat of(const WeightRule& rule, int64_t layer) const;
  /// What --quantize is called that makes the blocks so: "none", "int8", ..., "mixed".
  std::string_view name() const;
};

/// `cache`: type of keys and values.
Shard shard_of(const ModelSpec& spec, const ModelSplit& split, int rank, const WeightForms& forms,
               DType cache);

/// Parameters of the model (a tied matrix counts once).
int64_t parameter_count(const ModelSpec& spec);

}  // namespace tandem
