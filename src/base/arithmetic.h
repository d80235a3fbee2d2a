// The constants of the one arithmetic (docs/architecture.md). Every kernel, every cache page and
// every partition is built on them; changing one changes the bits of every result.
#pragma once

#include <cstdint>

namespace tandem {

/// k elements that one step of a dot product takes: even and odd k are summed apart inside a step.
inline constexpr int64_t kStep = 32;
/// Outputs in one panel of a packed weight: the lanes of one 512-bit register, the columns of one
/// AMX tile.
inline constexpr int64_t kPanel = 16;
/// Keys that attention takes at a time, counted from position 0; also the tokens of one KV page.
inline constexpr int64_t kKeyBlock = 64;
/// Virtual lanes of the sums in norms and softmax.
inline constexpr int64_t kLanes = 16;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

}  // namespace tandem
