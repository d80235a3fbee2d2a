// Qwen3: RMS norms on each head of q and k, a head_dim of its own, no biases unless attention_bias.
#include "model/config_reader.h"
#include "model/families.h"

namespace tandem {

ModelSpec qwen3_spec(const JsonReader& config) {
  using enum WeightRole;
  ModelSpec spec = llama_like_spec(config, "qwen3", {.max_positions = 32768, .head_dim = 128});
  if (config.boolean_or("attention_bias", false))
    set_bias(spec, {kQuery, kKey, kValue, kAttentionOut});
  spec.weights.push_back({kQueryNorm, "model.layers.{}.self_attn.q_norm"});
  spec.weights.push_back({kKeyNorm, "model.layers.{}.self_attn.k_norm"});
  if (config.boolean_or("use_sliding_window", false)) {
    set_window(spec, config, config.integer_or("max_window_layers", 28, 0, 4096));
  }
  return spec;
}

}  // namespace tandem
