// A fixed binary tree over sums, as a postfix program. Values only; whoever adds follows it.
#pragma once

#include <cstdint>
#include <vector>

namespace tandem {

/// After leaf i is pushed on a stack, the two topmost sums are replaced by (lower + upper),
/// merges[i] times. What is left on the stack at the end, bottom first, are the results ("nodes" of
/// the tree). One leaf and no merge is a plain dot product.
struct TreeProgram {
  std::vector<int32_t> merges;

  int64_t leaves() const { return static_cast<int64_t>(merges.size()); }
  int64_t results() const {
    int64_t depth = 0;
    for (int32_t m : merges) depth += 1 - m;
    return depth;
  }
  static TreeProgram single() { return TreeProgram{{0}}; }
};

}  // namespace tandem
