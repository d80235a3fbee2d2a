// What the config.json of LLaMA-like families have in common.
#pragma once

#include "json/json.h"
#include "tandem/model.h"

namespace tandem {

/// What a family's configuration class in transformers takes for a key that is not there.
struct FamilyDefaults {
  int64_t max_positions = 2048;
  int64_t kv_heads = 0;  ///< 0: as many as query heads
  int64_t head_dim = 0;  ///< 0: hidden_size / heads
};
/// Sizes, norm, rope, ties, end tokens and the usual tensor names (model.layers.{}.self_attn.q_proj
/// ...), no biases.
ModelSpec llama_like_spec(const JsonReader& config, const std::string& family,
                          const FamilyDefaults& defaults = {});
/// The layers that layer_types calls sliding_attention, without that key every layer from
/// `first_layer` (0 or more) on, attend to `sliding_window` positions; null: none; absent: 4096, as
/// transformers has it for the families that have windows.
void set_window(ModelSpec& spec, const JsonReader& config, int64_t first_layer);
/// eos_token_id of config.json: a number, a list or null.
std::vector<int32_t> token_ids(const JsonReader& config, std::string_view key, int64_t vocab);
/// Refuses a torch_dtype or dtype other than float32, bfloat16 and float16. (The stored tensors
/// decide.)
void check_dtype(const JsonReader& config);
/// Refuses activations other than SiLU.
void require_silu(const JsonReader& config, std::string_view key);

}  // namespace tandem
