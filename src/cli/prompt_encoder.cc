#include "cli/prompt_encoder.h"

#include <filesystem>

#include "base/check.h"
#include "json/json.h"

namespace tandem::cli {

void require_vocabulary(const std::string& folder) {
  const std::filesystem::path path(folder);
  if (!exists(path / "config.json")) return;
  for (const char* name : {"tokenizer.json", "tokenizer.model", "qwen.tiktoken"}) {
    if (exists(path / name)) return;
  }
  const std::string config = (path / "config.json").string();
  const Json json = Json::parse_file(config);
  if (JsonReader(json, config).string_or("model_type", "") == "qwen") {
    bad_input(
        "{}: qwen.tiktoken is missing, the vocabulary of a Qwen v1 checkpoint; without it only ids "
        "can be given (--prompt_ids, --ids)",
        folder);
  }
  bad_input(
      "{}: the folder has no tokenizer (tokenizer.json, tokenizer.model or qwen.tiktoken); without "
      "it only ids can be given (--prompt_ids, --ids)",
      folder);
}

std::vector<int32_t> PromptEncoder::messages(const std::string& json) {
  if (prompter_ == nullptr) prompter_ = ChatPrompter::load(folder_);
  if (prompter_ == nullptr) {
    bad_input("{}: the folder has no chat template and no chat_format: use --prompt", folder_);
  }
  return prompter_->prompt(json, tokenizer()).ids;
}

std::vector<int32_t> PromptEncoder::chat_end_ids() const {
  return prompter_ == nullptr ? std::vector<int32_t>{} : prompter_->end_ids(tokenizer());
}

const Tokenizer& PromptEncoder::tokenizer() const {
  if (engine_.tokenizer() == nullptr) require_vocabulary(folder_);
  TANDEM_CHECK(engine_.tokenizer() != nullptr);
  return *engine_.tokenizer();
}

}  // namespace tandem::cli
