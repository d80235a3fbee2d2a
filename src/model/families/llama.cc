// LLaMA 1-3 and everything that says LlamaForCausalLM (Yi, TinyLlama, SmolLM2, DeepSeek-LLM ...).
#include "model/config_reader.h"
#include "model/families.h"

namespace tandem {

ModelSpec llama_spec(const JsonReader& config) {
  using enum WeightRole;
  ModelSpec spec = llama_like_spec(config, "llama");
  if (config.boolean_or("attention_bias", false))
    set_bias(spec, {kQuery, kKey, kValue, kAttentionOut});
  if (config.boolean_or("mlp_bias", false)) set_bias(spec, {kGate, kUp, kDown});
  return spec;
}

}  // namespace tandem
