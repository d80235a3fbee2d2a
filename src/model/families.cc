#include "model/families.h"

#include <fmt/ranges.h>

#include "base/check.h"

namespace tandem {
namespace {

struct Family {
  const char* architecture;
  const char* model_type;
  ModelSpec (*read)(const JsonReader&);
};

constexpr Family kFamilies[] = {
    {"LlamaForCausalLM", "llama", llama_spec}, {"MistralForCausalLM", "mistral", mistral_spec},
    {"QWenLMHeadModel", "qwen", qwen_spec},    {"Qwen2ForCausalLM", "qwen2", qwen2_spec},
    {"Qwen3ForCausalLM", "qwen3", qwen3_spec},
};

}  // namespace

std::vector<std::string> known_architectures() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) names.emplace_back(family.architecture);
  return names;
}

ModelSpec read_model_spec(const Json& config, const std::string& config_path) {
  const JsonReader reader(config, config_path);
  std::string architecture;
  if (reader.has("architectures")) {
    const Json::Array& list = reader.array("architectures");
    if (list.size() == 1 && list[0].is_string()) architecture = list[0].string();
    if (architecture.empty())
      bad_input("{}: expected a list of one name", reader.where("architectures"));
  }
  const std::string type = reader.string_or("model_type", "");
  for (const Family& family : kFamilies) {
    const bool type_fits = type.empty() || type == family.model_type;
    if (type_fits && (architecture.empty() ? !type.empty() : architecture == family.architecture)) {
      ModelSpec spec = family.read(reader);
      spec.architecture = family.architecture;
      return spec;
    }
  }
  unsupported("{}: architecture \"{}\" (model_type \"{}\") is not supported; known are {}",
              config_path, architecture, type, fmt::join(known_architectures(), ", "));
}

}  // namespace tandem
