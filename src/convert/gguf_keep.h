// GGUF's Q8_0, Q4_0 and Q4_1 are groups of 32 columns like ours: what can be kept as it is.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "convert/gguf_model.h"
#include "tensor/quantization.h"

namespace tandem {

/// The tensors, by Hugging Face's name, that keep their codes. Not kept are types without them, a
/// matrix that would be cut between the columns of a group, and those that are multiplied in one
/// pass with one that is not kept; `notes` says so where a type could be.
std::map<std::string, WeightFormat> kept_tensors(const GgufModel& model,
                                                 std::vector<std::string>& notes);

/// One block of 32 values as our group: the same values, quantized_value() for value, bit for bit.
QuantizedGroup kept_group(WeightFormat format, const std::byte* block);

}  // namespace tandem
