// config.json's quantization_config of a folder whose linears are stored quantized
// (docs/architecture.md, "Quantized folders").
#pragma once

#include <optional>
#include <string_view>

#include "checkpoint/hf_folder.h"
#include "tensor/dtype.h"

namespace tandem {

inline constexpr std::string_view kQuantizationMethod = "tandem";

struct StoredQuantization {
  DType dtype = DType::kBF16;  ///< of the weights before, which --dtype auto means
};

/// Nothing for a folder in floating point. Throws Error(kUnsupported) for another quant_method,
/// Error(kBadInput) naming a value of its own that is not understood.
std::optional<StoredQuantization> read_quantization(const HfFolder& folder);

/// The object that says so.
Json quantization_config(const StoredQuantization& quantization);

/// Names of the tensors that stand for `name`: codes, scales and, with a minimum, minima.
std::string codes_name(std::string_view name);
std::string scale_name(std::string_view name);
std::string min_name(std::string_view name);

}  // namespace tandem
