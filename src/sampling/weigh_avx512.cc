#include "sampling/weigh.h"

namespace tandem {

void weigh_avx512(const WeighArgs& args) { weigh_row(args); }

}  // namespace tandem
