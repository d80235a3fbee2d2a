// What a model is, as data: sizes, switches and the names of its weights. A family fills it from
// config.json (families/*.cc); nothing here knows about ranks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace tandem {

enum class RopeKind { kDefault, kLinear, kDynamic, kLlama3, kYarn, kQwenNtk };

/// Rotary embedding. Formulas and their sources: model/rope.cc.
struct RopeSpec {
  RopeKind kind = RopeKind::kDefault;
  double theta = 10000;
  int64_t rotary_dim = 0;          ///< channels of a head that are rotated, even
  double factor = 1;               ///< linear, dynamic, llama3, yarn
  int64_t original_positions = 0;  ///< length the model was trained at
  double low_freq_factor = 1;      ///< llama3
  double high_freq_factor = 4;     ///< llama3
  double beta_fast = 32;           ///< yarn
  double beta_slow = 1;            ///< yarn
  double attention_factor = 1;     ///< yarn: multiplies cos and sin
  bool truncate = true;            ///< yarn: whole correction dimensions
  int64_t logn_length =
      0;  ///< Qwen v1: queries beyond it are multiplied by log(p + 1) / log(this); 0: off
};

/// What a tensor of the checkpoint is to the model.
enum class WeightRole {
  kEmbedding,
  kFinalNorm,
  kHead,  // once
  kAttentionNorm,
  kQuery,
  kKey,
  kValue,
  kFusedQkv,
  kAttentionOut,
  kQueryNorm,
  kKeyNorm,
  kMlpNorm,
  kGate,
  kUp,
  kDown,  // per layer
};

/// A weight's name without ".weight" / ".bias"; "{}" stands for the layer.
struct WeightRule {
  WeightRole role;
  std::string name;
  bool bias = false;  ///< the checkpoint has NAME.bias too, and it is required
};

struct ModelSpec {
  std::string family;        ///< "llama", "qwen", ...
  std::string architecture;  ///< as config.json names it
  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t q_heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t ff = 0;  ///< width of gate and of up
  int64_t vocab = 0;
  int64_t max_positions = 0;  ///< prompt + output, scaling included
  double norm_eps = 1e-6;
  bool tied = false;
  bool int8_cache = false;  ///< the checkpoint asks for keys and values in int8
  RopeSpec rope;
  std::vector<int64_t> window;  ///< per layer, 0: none
  std::vector<WeightRule> weights;
  std::vector<std::string>
      ignored;                 ///< tensors that may be there and are not used ("{}": any layer)
  DType dtype = DType::kBF16;  ///< that config.json names; the stored tensors decide
  std::vector<int32_t> eos;    ///< of config.json; generation_config.json comes first
  bool has_bias(WeightRole role) const {
    for (const WeightRule& rule : weights) {
      if (rule.role == role) return rule.bias;
    }
    return false;
  }
  bool has(WeightRole role) const {
    for (const WeightRule& rule : weights) {
      if (rule.role == role) return true;
    }
    return false;
  }
};

}  // namespace tandem
