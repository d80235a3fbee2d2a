// The ends of a unit's chains, for the inner loops over quantized weights of every instruction set.
#pragma once

#include "backend/cpu/quant_kernels.h"

namespace tandem::cpu {
namespace {

/// Sets chains that start here to +0.
inline void start_chains(const QuantChainArgs& a) {
  if (!a.fresh) return;
  for (int r = 0; r < a.rows; ++r) {
    for (int i = 0; i < 16 * a.panels; ++i) a.c[r * a.ldc + i] = 0.0f;
  }
}

/// Adds finished chains into the units' tree.
inline void merge_chains(const QuantChainArgs& a) {
  for (int m = 1; m <= a.merges; ++m) {
    for (int r = 0; r < a.rows; ++r) {
      float* to = a.c - m * a.level + r * a.ldc;
      const float* from = to + a.level;
      for (int i = 0; i < 16 * a.panels; ++i) to[i] += from[i];
    }
  }
}

}  // namespace
}  // namespace tandem::cpu
