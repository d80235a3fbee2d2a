// The half that is stored, by F16C's instructions. For files compiled with them.
#pragma once

#include <immintrin.h>

#include "tensor/quantize_group.h"

namespace tandem {
namespace {

uint16_t half_of_f16c(float x, float& value) {
  const __m128i bits =
      _mm_cvtps_ph(_mm_set_ss(clamp(x, -65504.0f, 65504.0f)), _MM_FROUND_TO_NEAREST_INT);
  value = _mm_cvtss_f32(_mm_cvtph_ps(bits));
  return static_cast<uint16_t>(_mm_cvtsi128_si32(bits));
}

}  // namespace
}  // namespace tandem
