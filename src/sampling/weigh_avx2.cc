#include "sampling/weigh.h"

namespace tandem {

void weigh_avx2(const WeighArgs& args) { weigh_row(args); }

}  // namespace tandem
