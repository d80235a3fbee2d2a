#include "convert/gguf_model.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/check.h"
#include "checkpoint/tensor_store.h"
#include "convert/dequantize.h"

namespace tandem {
namespace {

// Keys of the architecture that are understood. Any other may change what the network computes.
constexpr std::string_view kKeys[] = {
    "llama.block_count",
    "llama.context_length",
    "llama.embedding_length",
    "llama.feed_forward_length",
    "llama.attention.head_count",
    "llama.attention.head_count_kv",
    "llama.attention.key_length",
    "llama.attention.value_length",
    "llama.attention.layer_norm_rms_epsilon",
    "llama.rope.dimension_count",
    "llama.rope.freq_base",
    "llama.rope.scaling.type",
    "llama.vocab_size",
    "llama.expert_count",
    "llama.expert_used_count",
};
constexpr int64_t kMaxSize = int64_t{1} << 24;

void check_architecture(const GgufFile& file) {
  const std::string_view architecture = file.string("general.architecture");
  if (architecture != "llama") {
    unsupported("{}: architecture \"{}\"; \"llama\" is imported", file.path(), architecture);
  }
  for (const std::string& key : file.keys()) {
    if (key.starts_with("llama.") && std::ranges::find(kKeys, key) == std::end(kKeys)) {
      unsupported("{}: has the key \"{}\", whose meaning is not imported", file.path(), key);
    }
  }
  if (file.integer_or("llama.expert_count", 0, 0, kMaxSize) > 0) {
    unsupported("{}: a mixture of experts (llama.expert_count) is not imported", file.path());
  }
  if (file.has("llama.rope.scaling.type") && file.string("llama.rope.scaling.type") != "none") {
    unsupported("{}: rope scaling \"{}\" is not imported", file.path(),
                file.string("llama.rope.scaling.type"));
  }
}

void read_sizes(const GgufFile& file, GgufModel& model) {
  model.layers = file.integer("llama.block_count", 1, 4096);
  model.hidden = file.integer("llama.embedding_length", 1, kMaxSize);
  model.width = file.integer("llama.feed_forward_length", 1, kMaxSize);
  model.heads = file.integer("llama.attention.head_count", 1, model.hidden);
  model.kv_heads = file.integer_or("llama.attention.head_count_kv", model.heads, 1, model.heads);
  model.head_dim =
      file.integer_or("llama.attention.key_length", model.hidden / model.heads, 2, kMaxSize);
  model.context = file.integer("llama.context_length", 1, int64_t{1} << 31);
  model.vocabulary = static_cast<int64_t>(file.strings("tokenizer.ggml.tokens").size());
  model.epsilon = file.number("llama.attention.layer_norm_rms_epsilon");
  model.rope_base = file.has("llama.rope.freq_base") ? file.number("llama.rope.freq_base") : 1e4;
  if (!file.has("llama.attention.key_length") && model.hidden % model.heads != 0) {
    bad_input("{}: llama.embedding_length {} does not divide by llama.attention.head_count {}",
              file.path(), model.hidden, model.heads);
  }
  if (model.head_dim % 2 != 0) {
    bad_input("{}: heads of {} channels; an even number is expected", file.path(), model.head_dim);
  }
  for (const std::string_view key :
       {"llama.attention.value_length", "llama.rope.dimension_count"}) {
    const int64_t value = file.integer_or(key, model.head_dim, 0, kMaxSize);
    if (value != model.head_dim) {
      unsupported("{}: \"{}\" is {} and a head has {} channels; only equal numbers are imported",
                  file.path(), key, value, model.head_dim);
    }
  }
  const int64_t rows = file.integer_or("llama.vocab_size", model.vocabulary, 1, kMaxSize);
  if (rows != model.vocabulary) {
    bad_input("{}: llama.vocab_size is {} but tokenizer.ggml.tokens has {} entries", file.path(),
              rows, model.vocabulary);
  }
}

struct Expected {
  std::string name;
  std::vector<int64_t> shape;
  int64_t heads = 0;
};

/// GGUF name -> what it becomes.
std::unordered_map<std::string, Expected> expected_tensors(const GgufModel& m) {
  std::unordered_map<std::string, Expected> all;
  all["token_embd.weight"] = {"model.embed_tokens.weight", {m.vocabulary, m.hidden}};
  all["output_norm.weight"] = {"model.norm.weight", {m.hidden}};
  if (!m.tied) all["output.weight"] = {"lm_head.weight", {m.vocabulary, m.hidden}};
  const int64_t q = m.heads * m.head_dim;
  const int64_t kv = m.kv_heads * m.head_dim;
  for (int64_t i = 0; i < m.layers; ++i) {
    const auto add = [&](std::string_view from, std::string_view to, std::vector<int64_t> shape,
                         int64_t heads = 0) {
      all[fmt::format("blk.{}.{}.weight", i, from)] = {
          fmt::format("model.layers.{}.{}.weight", i, to), std::move(shape), heads};
    };
    add("attn_norm", "input_layernorm", {m.hidden});
    add("ffn_norm", "post_attention_layernorm", {m.hidden});
    add("attn_q", "self_attn.q_proj", {q, m.hidden}, m.heads);
    add("attn_k", "self_attn.k_proj", {kv, m.hidden}, m.kv_heads);
    add("attn_v", "self_attn.v_proj", {kv, m.hidden});
    add("attn_output", "self_attn.o_proj", {m.hidden, q});
    add("ffn_gate", "mlp.gate_proj", {m.width, m.hidden});
    add("ffn_up", "mlp.up_proj", {m.width, m.hidden});
    add("ffn_down", "mlp.down_proj", {m.hidden, m.width});
  }
  return all;
}

void plan_tensors(const GgufFile& file, GgufModel& model) {
  model.tied = std::ranges::none_of(file.tensors(),
                                    [](const GgufTensor& t) { return t.name == "output.weight"; });
  auto expected = expected_tensors(model);
  for (const GgufTensor& tensor : file.tensors()) {
    const auto found = expected.find(tensor.name);
    if (found == expected.end()) {
      unsupported("{}: tensor \"{}\" belongs to no LLaMA model of {} layers that is imported",
                  file.path(), tensor.name, model.layers);
    }
    if (!can_dequantize(tensor.type)) {
      unsupported("{}: tensor \"{}\" is {}; F32, F16, BF16, Q8_0, Q4_0 and Q4_1 are imported",
                  file.path(), tensor.name, tensor.type.name);
    }
    const Expected& want = found->second;
    if (tensor.shape != want.shape) {
      bad_input("{}: tensor \"{}\" has shape {}; {} is expected", file.path(), tensor.name,
                shape_text(tensor.shape), shape_text(want.shape));
    }
    model.tensors.push_back({&tensor, want.name, want.heads});
    expected.erase(found);
  }
  if (!expected.empty()) {
    bad_input("{}: tensor \"{}\" is missing (one of {})", file.path(), expected.begin()->first,
              expected.size());
  }
  std::ranges::sort(model.tensors, {}, &PlannedTensor::name);
}

}  // namespace

GgufModel GgufModel::read(const GgufFile& file) {
  GgufModel model;
  check_architecture(file);
  read_sizes(file, model);
  // Each layer has nine tensors: a count that the file cannot hold is refused before anything is
  // made of it.
  if (static_cast<size_t>(model.layers) > file.tensors().size()) {
    bad_input("{}: llama.block_count is {} but the file has {} tensors", file.path(), model.layers,
              file.tensors().size());
  }
  plan_tensors(file, model);
  return model;
}

Json GgufModel::config() const {
  Json::Object config{
      {"architectures", Json(Json::Array{Json("LlamaForCausalLM")})},
      {"model_type", "llama"},
      {"torch_dtype", "bfloat16"},
      {"hidden_size", hidden},
      {"intermediate_size", width},
      {"num_hidden_layers", layers},
      {"num_attention_heads", heads},
      {"num_key_value_heads", kv_heads},
      {"max_position_embeddings", context},
      {"rope_theta", rope_base},
      {"rms_norm_eps", epsilon},
      {"hidden_act", "silu"},
      {"attention_bias", false},
      {"mlp_bias", false},
      {"tie_word_embeddings", tied},
      {"vocab_size", vocabulary},
  };
  if (head_dim * heads != hidden) config.emplace_back("head_dim", head_dim);
  return Json(std::move(config));
}

}  // namespace tandem
