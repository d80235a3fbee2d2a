// What a GGUF file of the LLaMA architecture becomes: config.json and names, shapes, row order of
// the tensors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/gguf.h"
#include "json/json.h"

namespace tandem {

struct PlannedTensor {
  const GgufTensor* source = nullptr;
  std::string name;  ///< Hugging Face's
  /// GGUF stores the rows of q and k for rotation of neighbours (2i, 2i + 1); Hugging Face rotates
  /// (i, i + dim/2). Heads whose rows are put back, or 0.
  int64_t heads = 0;
};

struct GgufModel {
  int64_t layers = 0;
  int64_t hidden = 0;
  int64_t width = 0;  ///< of the feed-forward part
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t vocabulary = 0;
  int64_t context = 0;
  double rope_base = 0;
  double epsilon = 0;
  bool tied = false;                   ///< no output matrix: the embedding serves
  std::vector<PlannedTensor> tensors;  ///< ascending by name

  /// Throws Error(kUnsupported) for another architecture, an unknown key of it, an unknown tensor
  /// or type; Error(kBadInput) for missing tensors and wrong shapes.
  static GgufModel read(const GgufFile& file);
  /// config.json but for the special ids.
  Json config() const;
};

}  // namespace tandem
