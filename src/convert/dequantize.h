// Values of GGUF's tensor types as bfloat16.
#pragma once

#include <cstddef>
#include <cstdint>

#include "checkpoint/gguf.h"

namespace tandem {

/// True for F32, F16, BF16, Q8_0, Q4_0, Q4_1.
bool can_dequantize(const GgufTensorType& type);

/// Writes `count` values (a multiple of the type's block) that begin at `from` as bfloat16.
/// Formulas, in float: Q8_0: d q; Q4_0: d (q - 8); Q4_1: d q + m, where d and m are the block's
/// halves; each result is rounded once, to nearest even, denormals kept. In the 4-bit types the low
/// halves of a block's 16 bytes are its first 16 values.
void dequantize(const GgufTensorType& type, const std::byte* from, int64_t count, uint16_t* to);

}  // namespace tandem
