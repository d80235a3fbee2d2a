// Qwen v1 (Qwen-1.8B ... 72B, Chat or not): fused c_attn with bias, w2 under SiLU, dynamic NTK,
// log-n queries. Source: modeling_qwen.py and configuration_qwen.py that its checkpoints carry.
#include <algorithm>

#include "base/check.h"
#include "model/config_reader.h"
#include "model/families.h"

namespace tandem {
namespace {

constexpr int64_t kMax = int64_t{1} << 24;

/// Early Qwen-7B configs spell some keys differently.
int64_t either(const JsonReader& config, std::string_view key, std::string_view early) {
  return config.integer(config.has(key) || !config.has(early) ? key : early, 1, kMax);
}

void read_rope(const JsonReader& config, ModelSpec& spec) {
  const int64_t trained = config.integer_or("seq_length", 2048, 1, kMax);
  const double part = config.number_or("rotary_pct", 1, 1e-3, 1);
  spec.rope.rotary_dim = static_cast<int64_t>(part * static_cast<double>(spec.head_dim)) / 2 * 2;
  spec.rope.theta = config.number_or("rotary_emb_base", 10000, 1, 1e15);
  spec.rope.original_positions = trained;
  if (config.boolean_or("use_dynamic_ntk", false)) spec.rope.kind = RopeKind::kQwenNtk;
  if (config.boolean_or("use_logn_attn", false)) spec.rope.logn_length = trained;
  spec.max_positions =
      std::max(trained, config.integer_or("max_position_embeddings", 8192, 1, kMax));
}

}  // namespace

ModelSpec qwen_spec(const JsonReader& config) {
  using enum WeightRole;
  ModelSpec spec;
  spec.family = "qwen";
  spec.hidden = either(config, "hidden_size", "n_embd");
  spec.layers = either(config, "num_hidden_layers", "n_layer");
  spec.q_heads = spec.kv_heads = either(config, "num_attention_heads", "n_head");
  spec.vocab = either(config, "vocab_size", "padded_vocab_size");
  if (config.has("padded_vocab_size")) spec.vocab = config.integer("padded_vocab_size", 1, kMax);
  spec.ff = either(config, "intermediate_size", "ffn_hidden_size") / 2;
  if (spec.hidden % spec.q_heads != 0) {
    bad_input("{} is {}; it must be a multiple of the heads ({})", config.where("hidden_size"),
              spec.hidden, spec.q_heads);
  }
  spec.head_dim = config.integer_or("kv_channels", spec.hidden / spec.q_heads, 2, 4096);
  if (spec.head_dim * spec.q_heads != spec.hidden) {
    bad_input("{} is {}; expected hidden_size / heads = {}", config.where("kv_channels"),
              spec.head_dim, spec.hidden / spec.q_heads);
  }
  spec.norm_eps = config.number_or("layer_norm_epsilon", 1e-6, 0, 1);
  spec.int8_cache = config.boolean_or("use_cache_quantization", false);
  read_rope(config, spec);
  spec.window.assign(static_cast<size_t>(spec.layers), 0);
  const std::string h = "transformer.h.{}.";
  spec.weights = {{kEmbedding, "transformer.wte"},
                  {kFinalNorm, "transformer.ln_f"},
                  {kHead, "lm_head"},
                  {kAttentionNorm, h + "ln_1"},
                  {kFusedQkv, h + "attn.c_attn", true},
                  {kAttentionOut, h + "attn.c_proj"},
                  {kMlpNorm, h + "ln_2"},
                  {kGate, h + "mlp.w2"},
                  {kUp, h + "mlp.w1"},
                  {kDown, h + "mlp.c_proj"}};
  if (!config.boolean_or("no_bias", true)) set_bias(spec, {kAttentionOut, kGate, kUp, kDown});
  spec.ignored = {"transformer.rotary_emb.inv_freq", "transformer.h.{}.attn.bias",
                  "transformer.h.{}.attn.masked_bias"};
  return spec;
}

}  // namespace tandem
