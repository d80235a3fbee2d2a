#include "tensor/quantize_group_f16c.h"

namespace tandem {

void quantize_whole_avx2(WeightFormat format, const float* w, QuantizedGroup& out) {
  quantize_whole(format, w, half_of_f16c, out);
}

}  // namespace tandem
