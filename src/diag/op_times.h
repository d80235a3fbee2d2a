// Arithmetic on times by kind of op.
#pragma once

#include <vector>

#include "tandem/diag.h"

namespace tandem {

/// Mean over the ranks of what they did between two reports.
OpTimes op_times_between(const std::vector<RankReport>& before,
                         const std::vector<RankReport>& after);
/// sum += more, kind by kind.
void add(OpTimes& sum, const OpTimes& more);
/// One kind's part of all of them, 0 .. 1.
double decode_share(const OpTimes& times, const std::string& kind);
double prefill_share(const OpTimes& times, const std::string& kind);

}  // namespace tandem
