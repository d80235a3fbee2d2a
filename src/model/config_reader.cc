#include "model/config_reader.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "tensor/dtype.h"

namespace tandem {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 22;
constexpr int64_t kMaxPositions = int64_t{1} << 26;

struct KindName {
  const char* name;
  RopeKind kind;
};
constexpr KindName kKinds[] = {{"default", RopeKind::kDefault},
                               {"linear", RopeKind::kLinear},
                               {"dynamic", RopeKind::kDynamic},
                               {"llama3", RopeKind::kLlama3},
                               {"yarn", RopeKind::kYarn}};

RopeKind rope_kind(const JsonReader& rope) {
  const std::string name = rope.string_or("rope_type", rope.string_or("type", "default"));
  for (const KindName& known : kKinds) {
    if (name == known.name) return known.kind;
  }
  unsupported(
      "{}: rope type \"{}\" is not supported; known are default, linear, dynamic, llama3, yarn",
      rope.where(rope.has("rope_type") ? "rope_type" : "type"), name);
}

double yarn_attention_factor(const JsonReader& rope, double factor) {
  if (rope.has("attention_factor")) return rope.number("attention_factor", 1e-6, 1e6);
  const auto mscale = [&](double m) { return factor <= 1 ? 1.0 : 0.1 * m * std::log(factor) + 1; };
  if (rope.has("mscale") && rope.has("mscale_all_dim")) {
    return mscale(rope.number("mscale", 0, 1e6)) / mscale(rope.number("mscale_all_dim", 0, 1e6));
  }
  return mscale(1);
}

void read_scaling(const JsonReader& rope, ModelSpec& spec) {
  RopeSpec& out = spec.rope;
  out.kind = rope_kind(rope);
  out.theta = rope.number_or("rope_theta", out.theta, 1, 1e15);
  if (rope.number_or("partial_rotary_factor", 1, 0, 1) != 1) {
    unsupported("{} is not 1; partial rotation is not supported here",
                rope.where("partial_rotary_factor"));
  }
  if (out.kind == RopeKind::kDefault) return;
  out.factor = rope.number("factor", 1, 1e6);
  out.original_positions =
      rope.integer_or("original_max_position_embeddings", spec.max_positions, 1, kMaxPositions);
  if (out.kind == RopeKind::kDynamic) out.original_positions = spec.max_positions;
  if (out.kind == RopeKind::kLlama3) {
    out.low_freq_factor = rope.number("low_freq_factor", 1e-6, 1e6);
    out.high_freq_factor = rope.number("high_freq_factor", 1e-6, 1e6);
    if (out.high_freq_factor <= out.low_freq_factor) {
      bad_input("{} is {}; it must be above low_freq_factor ({})", rope.where("high_freq_factor"),
                out.high_freq_factor, out.low_freq_factor);
    }
  }
  if (out.kind == RopeKind::kDynamic && spec.head_dim <= 2) {
    bad_input("{}: dynamic scaling needs heads wider than 2; they have {}", rope.where("rope_type"),
              spec.head_dim);
  }
  if (out.kind == RopeKind::kYarn) {
    if (out.theta <= 1) {
      bad_input("{} is {}; yarn needs one above 1", rope.where("rope_theta"), out.theta);
    }
    out.beta_fast = rope.number_or("beta_fast", 32, 1e-6, 1e6);
    out.beta_slow = rope.number_or("beta_slow", 1, 1e-6, 1e6);
    out.truncate = rope.boolean_or("truncate", true);
    out.attention_factor = yarn_attention_factor(rope, out.factor);
  }
  const double stretched = out.factor * static_cast<double>(out.original_positions);
  spec.max_positions =
      std::max(spec.max_positions, std::min(kMaxPositions, static_cast<int64_t>(stretched)));
}

void read_rope(const JsonReader& config, ModelSpec& spec) {
  spec.rope.theta = config.number_or("rope_theta", 10000, 1, 1e15);
  spec.rope.rotary_dim = spec.head_dim;
  spec.rope.original_positions = spec.max_positions;
  if (config.has("rope_parameters")) {
    read_scaling(config.object("rope_parameters"), spec);
  } else if (config.has("rope_scaling")) {
    read_scaling(config.object("rope_scaling"), spec);
  }
}

std::vector<WeightRule> usual_names(bool tied) {
  using enum WeightRole;
  const std::string layer = "model.layers.{}.";
  std::vector<WeightRule> rules = {{kEmbedding, "model.embed_tokens"},
                                   {kAttentionNorm, layer + "input_layernorm"},
                                   {kQuery, layer + "self_attn.q_proj"},
                                   {kKey, layer + "self_attn.k_proj"},
                                   {kValue, layer + "self_attn.v_proj"},
                                   {kAttentionOut, layer + "self_attn.o_proj"},
                                   {kMlpNorm, layer + "post_attention_layernorm"},
                                   {kGate, layer + "mlp.gate_proj"},
                                   {kUp, layer + "mlp.up_proj"},
                                   {kDown, layer + "mlp.down_proj"},
                                   {kFinalNorm, "model.norm"}};
  if (!tied) rules.push_back({kHead, "lm_head"});
  return rules;
}

}  // namespace

void check_dtype(const JsonReader& config) {
  const std::string_view key = config.has("dtype") ? "dtype" : "torch_dtype";
  const std::string name = config.string_or(key, "float32");
  for (DType type : {DType::kF32, DType::kBF16, DType::kF16}) {
    if (name == dtype_name(type)) return;
  }
  unsupported("{} is \"{}\"; expected float32, bfloat16 or float16", config.where(key), name);
}

void require_silu(const JsonReader& config, std::string_view key) {
  const std::string name = config.string_or(key, "silu");
  if (name != "silu" && name != "swish") {
    unsupported("{} is \"{}\"; the activation silu is supported", config.where(key), name);
  }
}

std::vector<int32_t> token_ids(const JsonReader& config, std::string_view key, int64_t vocab) {
  if (!config.has(key)) return {};
  const Json& value = config.get(key);
  const Json::Array list = value.is_array() ? value.array() : Json::Array{value};
  std::vector<int32_t> ids;
  for (const Json& id : list) {
    if (!id.is_int() || id.integer() < 0 || id.integer() >= vocab) {
      bad_input("{} is {}; expected token ids from 0 to {}", config.where(key),
                value.dump().substr(0, 60), vocab - 1);
    }
    ids.push_back(static_cast<int32_t>(id.integer()));
  }
  return ids;
}

void set_bias(ModelSpec& spec, std::initializer_list<WeightRole> roles) {
  for (WeightRule& rule : spec.weights) {
    if (std::find(roles.begin(), roles.end(), rule.role) != roles.end()) rule.bias = true;
  }
}

void set_window(ModelSpec& spec, const JsonReader& config, int64_t first_layer) {
  constexpr int64_t kAbsent = 4096;
  const int64_t window = config.is_null("sliding_window")
                             ? 0
                             : config.integer_or("sliding_window", kAbsent, 1, kMaxPositions);
  if (!config.has("layer_types")) {
    for (int64_t i = first_layer; i < spec.layers; ++i)
      spec.window[static_cast<size_t>(i)] = window;
    return;
  }
  const Json::Array& types = config.array("layer_types");
  if (static_cast<int64_t>(types.size()) != spec.layers) {
    bad_input("{} has {} entries; expected one for each of {} layers", config.where("layer_types"),
              types.size(), spec.layers);
  }
  for (size_t i = 0; i < types.size(); ++i) {
    const std::string type = types[i].is_string() ? types[i].string() : types[i].dump();
    if (type != "full_attention" && type != "sliding_attention") {
      unsupported("{}: layer {} is \"{}\"; expected full_attention or sliding_attention",
                  config.where("layer_types"), i, type);
    }
    spec.window[i] = type == "sliding_attention" ? window : 0;
  }
}

ModelSpec llama_like_spec(const JsonReader& config, const std::string& family,
                          const FamilyDefaults& defaults) {
  ModelSpec spec;
  spec.family = family;
  spec.hidden = config.integer("hidden_size", 1, kMaxSize);
  spec.layers = config.integer("num_hidden_layers", 1, 4096);
  spec.q_heads = config.integer("num_attention_heads", 1, 65536);
  spec.kv_heads = config.integer_or(
      "num_key_value_heads", defaults.kv_heads == 0 ? spec.q_heads : defaults.kv_heads, 1, 65536);
  spec.ff = config.integer("intermediate_size", 1, kMaxSize);
  spec.vocab = config.integer("vocab_size", 1, kMaxSize);
  spec.max_positions =
      config.integer_or("max_position_embeddings", defaults.max_positions, 1, kMaxPositions);
  spec.norm_eps = config.number_or("rms_norm_eps", 1e-6, 0, 1);
  spec.tied = config.boolean_or("tie_word_embeddings", false);
  if (spec.q_heads % spec.kv_heads != 0) {
    bad_input("{} is {}; it must divide num_attention_heads ({})",
              config.where("num_key_value_heads"), spec.kv_heads, spec.q_heads);
  }
  if (!config.has("head_dim") && defaults.head_dim == 0 && spec.hidden % spec.q_heads != 0) {
    bad_input("{} is {}; without head_dim it must be a multiple of num_attention_heads ({})",
              config.where("hidden_size"), spec.hidden, spec.q_heads);
  }
  spec.head_dim = config.integer_or(
      "head_dim", defaults.head_dim == 0 ? spec.hidden / spec.q_heads : defaults.head_dim, 2, 4096);
  if (spec.head_dim % 2 != 0)
    bad_input("{}: head_dim is {}; it must be even", config.where("head_dim"), spec.head_dim);
  require_silu(config, "hidden_act");
  read_rope(config, spec);
  spec.window.assign(static_cast<size_t>(spec.layers), 0);
  spec.weights = usual_names(spec.tied);
  spec.ignored = {"model.layers.{}.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq"};
  if (spec.tied) spec.ignored.push_back("lm_head.weight");
  check_dtype(config);
  spec.eos = token_ids(config, "eos_token_id", spec.vocab);
  return spec;
}

}  // namespace tandem
