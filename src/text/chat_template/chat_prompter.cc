#include <filesystem>

#include "base/check.h"
#include "json/json.h"
#include "tandem/text.h"
#include "text/chat_template/chatml.h"

namespace tandem {
namespace {

class TemplatePrompter : public ChatPrompter {
 public:
  explicit TemplatePrompter(std::unique_ptr<ChatTemplate> chat) : chat_(std::move(chat)) {}

  Prompt prompt(const std::string& messages_json, const Tokenizer& tokenizer) const override {
    ChatTemplate::Input input;
    input.messages_json = messages_json;
    // The template writes the special tokens itself.
    return {tokenizer.encode(chat_->render(input), {.add_special_tokens = false}), 0};
  }
  std::vector<int32_t> end_ids(const Tokenizer&) const override { return {}; }

 private:
  std::unique_ptr<ChatTemplate> chat_;
};

class ChatmlPrompter : public ChatPrompter {
 public:
  explicit ChatmlPrompter(ChatmlOptions options) : options_(std::move(options)) {}

  Prompt prompt(const std::string& messages_json, const Tokenizer& tokenizer) const override {
    ChatmlPrompt result = chatml_prompt(tokenizer, messages_json, options_);
    return {std::move(result.ids), result.dropped_turns};
  }
  std::vector<int32_t> end_ids(const Tokenizer& tokenizer) const override {
    std::vector<int32_t> ids;
    for (const char* token : {"<|im_end|>", "<|im_start|>"}) {
      if (const auto id = tokenizer.token_to_id(token)) ids.push_back(*id);
    }
    return ids;
  }

 private:
  ChatmlOptions options_;
};

}  // namespace

std::unique_ptr<ChatPrompter> ChatPrompter::load(const std::string& folder) {
  if (auto chat = ChatTemplate::load(folder)) {
    return std::make_unique<TemplatePrompter>(std::move(chat));
  }
  const auto path = std::filesystem::path(folder) / "generation_config.json";
  if (!std::filesystem::exists(path)) return nullptr;
  const Json json = Json::parse_file(path.string());
  const JsonReader config(json, path.string());
  const std::string format = config.string_or("chat_format", "raw");
  if (format == "raw") return nullptr;
  if (format != "chatml") {
    bad_input("{} is \"{}\"; known are \"chatml\" and \"raw\"", config.where("chat_format"),
              format);
  }
  ChatmlOptions options;
  options.max_window_size =
      config.integer_or("max_window_size", options.max_window_size, 1, int64_t{1} << 40);
  return std::make_unique<ChatmlPrompter>(options);
}

}  // namespace tandem
