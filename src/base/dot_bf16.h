// How this processor's AVX512_BF16 rounds.
#pragma once

namespace tandem {

/// Whether vdpbf16ps, which adds two products to a sum, rounds after each of them, the high halves'
/// first: AMD's processors do, and then it is two fused multiply-adds. Seen on numbers of which one
/// in ten comes out differently when it rounds once or goes in the other order. Executes the
/// instruction: only where it is present.
bool dot_bf16_rounds_twice();

}  // namespace tandem
