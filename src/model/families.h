// The explicit list of model families: what reads which config.json.
#pragma once

#include <string>
#include <vector>

#include "json/json.h"
#include "model/model_spec.h"

namespace tandem {

/// config.json -> ModelSpec. Refuses unknown architectures, rope kinds and activations by name.
ModelSpec read_model_spec(const Json& config, const std::string& config_path);

/// One function per file in families/.
ModelSpec llama_spec(const JsonReader& config);
ModelSpec mistral_spec(const JsonReader& config);
ModelSpec qwen_spec(const JsonReader& config);
ModelSpec qwen2_spec(const JsonReader& config);
ModelSpec qwen3_spec(const JsonReader& config);

/// "LlamaForCausalLM", ...: for messages.
std::vector<std::string> known_architectures();

}  // namespace tandem
