// A Hugging Face folder written once more with some of its matrices quantized.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "checkpoint/hf_folder.h"
#include "checkpoint/quantization_config.h"
#include "tensor/quantization.h"

namespace tandem {

/// What becomes of one tensor.
struct TensorPlan {
  const StoredTensor* source = nullptr;
  WeightFormat format = WeightFormat::kFloat;  ///< kFloat: copied
  std::vector<int64_t> units;                  ///< of its columns, where groups restart
};

struct QuantizedFolder {
  const HfFolder& from;
  std::string to;
  std::vector<TensorPlan> tensors;
  StoredQuantization quantization;
  /// Called with bytes written and bytes in all; false ends with Error(kAborted). May be empty.
  std::function<bool(int64_t, int64_t)> progress;
};

/// Writes model.safetensors, config.json with its quantization_config, and copies every other file
/// but weights. Returns the bytes of the tensors. `to` appears complete or not at all; Error as
/// OutputFolder's, Error(kResource) when the disk is full.
int64_t write_quantized(const QuantizedFolder& folder);

}  // namespace tandem
