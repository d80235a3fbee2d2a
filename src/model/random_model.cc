#include "model/random_model.h"

#include <algorithm>

#include "base/check.h"
#include "model/families.h"
#include "model/weights.h"

namespace tandem {
namespace {

/// Sizes as the models' config.json files have them, but LLaMA's `positions`: weights at random
/// know no length, and measurements go up to contexts of 8192 with answers.
struct NamedModel {
  const char* name;
  const char* architecture;
  const char* model_type;
  int64_t hidden, ff, layers, q_heads, kv_heads, vocab, positions;
  bool tied;
};
constexpr NamedModel kModels[] = {
    {"tiny", "LlamaForCausalLM", "llama", 96, 160, 2, 6, 2, 512, 256, false},
    {"smollm2-135m", "LlamaForCausalLM", "llama", 576, 1536, 30, 9, 3, 49152, 16384, true},
    {"tinyllama-1.1b", "LlamaForCausalLM", "llama", 2048, 5632, 22, 32, 4, 32000, 16384, false},
    {"llama-2-7b", "LlamaForCausalLM", "llama", 4096, 11008, 32, 32, 32, 32000, 16384, false},
    {"llama-3-8b", "LlamaForCausalLM", "llama", 4096, 14336, 32, 32, 8, 128256, 16384, false},
    {"qwen-1.8b", "QWenLMHeadModel", "qwen", 2048, 5504, 24, 16, 16, 151936, 8192, false},
    {"qwen-7b", "QWenLMHeadModel", "qwen", 4096, 11008, 32, 32, 32, 151936, 8192, false},
    {"qwen2-0.5b", "Qwen2ForCausalLM", "qwen2", 896, 4864, 24, 14, 2, 151936, 32768, true},
};

const NamedModel& find_model(const std::string& name) {
  for (const NamedModel& model : kModels)
    if (name == model.name) return model;
  std::string known;
  for (const NamedModel& model : kModels)
    known += (known.empty() ? "" : ", ") + std::string(model.name);
  bad_input("shape \"{}\" is not known; known are {}", name, known);
}

Json config_of(const NamedModel& model) {
  const bool qwen = std::string_view(model.model_type) == "qwen";
  Json config{Json::Object{}};
  config.set("architectures", Json::Array{Json(model.architecture)});
  config.set("model_type", model.model_type);
  config.set("hidden_size", model.hidden);
  config.set("intermediate_size", qwen ? 2 * model.ff : model.ff);
  config.set("num_hidden_layers", model.layers);
  config.set("num_attention_heads", model.q_heads);
  config.set("num_key_value_heads", model.kv_heads);
  config.set("vocab_size", model.vocab);
  config.set("max_position_embeddings", model.positions);
  config.set("tie_word_embeddings", model.tied);
  config.set("hidden_act", "silu");
  config.set("rms_norm_eps", 1e-5);
  config.set("torch_dtype", "bfloat16");
  if (qwen) {  // names of its own for some of these, and its switches
    config.set("layer_norm_epsilon", 1e-6);
    config.set("kv_channels", model.hidden / model.q_heads);
    config.set("seq_length", model.positions);
    config.set("rotary_emb_base", 10000.0);
    config.set("rotary_pct", 1.0);
    config.set("no_bias", true);
    config.set("use_dynamic_ntk", true);
    config.set("use_logn_attn", true);
    config.set("scale_attn_weights", true);
  }
  return config;
}

}  // namespace

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const NamedModel& model : kModels) names.emplace_back(model.name);
  return names;
}

HfFolder open_model_config(const std::string& path) {
  if (!path.starts_with(kShapePrefix)) return HfFolder::open_config(path);
  HfFolder folder;
  folder.path = path;
  folder.config_path = path;
  folder.generation_path = path;
  folder.config = config_of(find_model(path.substr(kShapePrefix.size())));
  folder.generation_config = Json(Json::Object{});
  return folder;
}

HfFolder open_model(const std::string& path) {
  if (!path.starts_with(kShapePrefix)) return HfFolder::open(path);
  HfFolder folder = open_model_config(path);
  const ModelSpec spec = read_model_spec(folder.config, path);
  folder.tensors = TensorStore::random(path, expected_tensors(spec));
  return folder;
}

}  // namespace tandem
