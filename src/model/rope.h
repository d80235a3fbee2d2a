// Rotary tables: frequencies of every rope kind, and which table a token of a request uses.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "step/plan.h"
#include "tandem/model.h"

namespace tandem {

/// Inverse frequencies [rotary_dim / 2] in float32, as Hugging Face computes them (transformers,
/// modeling_rope_utils.py). `length`: the n that kDynamic and kQwenNtk choose their base from;
/// ignored by the others.
std::vector<float> inverse_frequencies(const RopeSpec& spec, int64_t length);

/// Floats of one row: cos[half], sin[half], q_scale.
int64_t rope_row_floats(const RopeSpec& spec);
/// Appends the rows of positions [first, first + count) rotated with `inverse`.
void append_rope_rows(const RopeSpec& spec, const std::vector<float>& inverse, int64_t first,
                      int64_t count, std::vector<float>& rows);

/// Names the frequencies that a prompt of n tokens is rotated with: equal names, equal bits. 0: the
/// unscaled base.
int64_t rope_variant(const RopeSpec& spec, int64_t prompt_tokens);

}  // namespace tandem
