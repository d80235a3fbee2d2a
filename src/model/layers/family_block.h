// A family's own block (ModelSpec::block) in the place of the decoder block.
#pragma once

#include "model/layers/runtime.h"

namespace tandem::layers {

/// Makes the layer's block and wraps it. Throws Error(kBadInput) when it leaves a per-layer weight
/// of the spec unused.
std::unique_ptr<tandem::Block> load_family_block(const LoadContext& load, int64_t layer,
                                                 Runtime& runtime);

}  // namespace tandem::layers
