// From a config.json to a ModelSpec, by the families that a program knows.
#pragma once

#include "json/json.h"
#include "tandem/model.h"

namespace tandem {

/// config.json -> ModelSpec. Refuses unknown architectures, rope kinds and activations by name.
ModelSpec read_model_spec(const Json& config, const std::string& config_path,
                          const Families& families = {});

/// One function per file in families/.
ModelSpec llama_spec(const JsonReader& config);
ModelSpec mistral_spec(const JsonReader& config);
ModelSpec qwen_spec(const JsonReader& config);
ModelSpec qwen2_spec(const JsonReader& config);
ModelSpec qwen3_spec(const JsonReader& config);

/// "LlamaForCausalLM", ...: for messages, and for ranks to compare.
std::vector<std::string> architectures_of(const Families& families);

}  // namespace tandem
