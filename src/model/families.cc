#include "model/families.h"

#include <fmt/ranges.h>

#include "base/check.h"
#include "model/config_reader.h"
#include "model/placement.h"

namespace tandem {
namespace {

Family built_in(const char* architecture, const char* model_type,
                ModelSpec (*read)(const JsonReader&)) {
  return {architecture, model_type,
          [read](const ModelConfig& config) { return read(config.reader()); }};
}

}  // namespace

Families::Families()
    : list_{built_in("LlamaForCausalLM", "llama", llama_spec),
            built_in("MistralForCausalLM", "mistral", mistral_spec),
            built_in("QWenLMHeadModel", "qwen", qwen_spec),
            built_in("Qwen2ForCausalLM", "qwen2", qwen2_spec),
            built_in("Qwen3ForCausalLM", "qwen3", qwen3_spec)} {}

void Families::register_family(Family family) {
  if (family.architecture.empty() || family.model_type.empty() || !family.read) {
    bad_input("register_family: \"{}\" needs an architecture, a model_type and a read function",
              family.architecture);
  }
  for (const Family& known : list_) {
    if (known.architecture == family.architecture) {
      bad_input("register_family: architecture {} is registered already", family.architecture);
    }
  }
  list_.push_back(std::move(family));
}

std::vector<std::string> architectures_of(const Families& families) {
  std::vector<std::string> names;
  for (const Family& family : families.list()) names.push_back(family.architecture);
  return names;
}

ModelSpec read_model_spec(const Json& config, const std::string& config_path,
                          const Families& families) {
  const JsonReader reader(config, config_path);
  std::string architecture;
  if (reader.has("architectures")) {
    const Json::Array& list = reader.array("architectures");
    if (list.size() == 1 && list[0].is_string()) architecture = list[0].string();
    if (architecture.empty())
      bad_input("{}: expected a list of one name", reader.where("architectures"));
  }
  const std::string type = reader.string_or("model_type", "");
  for (const Family& family : families.list()) {
    const bool type_fits = type.empty() || type == family.model_type;
    if (type_fits && (architecture.empty() ? !type.empty() : architecture == family.architecture)) {
      ModelSpec spec = family.read(ModelConfig(reader));
      spec.architecture = family.architecture;
      complete_spec(spec);
      return spec;
    }
  }
  unsupported("{}: architecture \"{}\" (model_type \"{}\") is not supported; known are {}",
              config_path, architecture, type, fmt::join(architectures_of(families), ", "));
}

bool ModelConfig::has(const std::string& key) const { return reader_->has(key); }
int64_t ModelConfig::integer(const std::string& key, int64_t min, int64_t max) const {
  return reader_->integer(key, min, max);
}
int64_t ModelConfig::integer_or(const std::string& key, int64_t fallback, int64_t min,
                                int64_t max) const {
  return reader_->integer_or(key, fallback, min, max);
}
double ModelConfig::number(const std::string& key, double min, double max) const {
  return reader_->number(key, min, max);
}
double ModelConfig::number_or(const std::string& key, double fallback, double min,
                              double max) const {
  return reader_->number_or(key, fallback, min, max);
}
bool ModelConfig::boolean_or(const std::string& key, bool fallback) const {
  return reader_->boolean_or(key, fallback);
}
std::string ModelConfig::string(const std::string& key) const { return reader_->string(key); }
std::string ModelConfig::string_or(const std::string& key, const std::string& fallback) const {
  return reader_->string_or(key, fallback);
}
std::vector<int32_t> ModelConfig::token_ids(const std::string& key, int64_t vocab) const {
  return tandem::token_ids(*reader_, key, vocab);
}
std::string ModelConfig::where(const std::string& key) const { return reader_->where(key); }

ModelSpec llama_like_spec(const ModelConfig& config, const std::string& family) {
  return llama_like_spec(config.reader(), family);
}

}  // namespace tandem
