// ChatTemplate: which template of a folder is used, and the special tokens that it sees.
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/check.h"
#include "json/json.h"
#include "text/chat_template/template.h"

namespace tandem {
namespace {

using Variables = std::vector<std::pair<std::string, std::string>>;

class FolderTemplate : public ChatTemplate {
 public:
  FolderTemplate(jinja::Template main, std::optional<jinja::Template> for_tools,
                 Variables special_tokens)
      : main_(std::move(main)),
        for_tools_(std::move(for_tools)),
        special_tokens_(std::move(special_tokens)) {}

  std::string render(const Input& input) const override {
    const bool tools = !input.tools_json.empty() && for_tools_.has_value();
    return (tools ? *for_tools_ : main_).render(input, special_tokens_);
  }

 private:
  jinja::Template main_;
  std::optional<jinja::Template> for_tools_;
  Variables special_tokens_;
};

constexpr size_t kMaxTemplateBytes = size_t{1} << 20;

std::string read_template(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxTemplateBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (!file && !file.eof())) bad_input("{}: cannot be read", path.string());
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxTemplateBytes) {
    bad_input("{}: larger than {} bytes, which no chat template is", path.string(),
              kMaxTemplateBytes);
  }
  return text;
}

/// A special token is a string or an object with "content".
std::optional<std::string> token_text(const Json& value) {
  if (value.is_string()) return value.string();
  const Json* content = value.find("content");
  if (content != nullptr && content->is_string()) return content->string();
  return std::nullopt;
}

Variables special_tokens(const Json& config) {
  static constexpr std::array<std::string_view, 7> kNames = {
      "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
  Variables result;
  for (const std::string_view name : kNames) {
    const Json* value = config.find(name);
    if (value == nullptr) continue;
    if (auto text = token_text(*value)) result.emplace_back(name, *std::move(text));
  }
  return result;
}

struct Sources {
  std::optional<std::string> main;
  std::optional<std::string> for_tools;
};

/// tokenizer_config.json's chat_template: a string, or [{"name", "template"}, ...].
Sources sources_of(const Json& value, const std::string& where) {
  Sources sources;
  if (value.is_string()) {
    sources.main = value.string();
    return sources;
  }
  if (!value.is_array()) {
    bad_input("{}: {} where a string or a list of named templates is expected", where,
              value.kind());
  }
  for (const Json& entry : value.array()) {
    const JsonReader reader(entry, where);
    const std::string& name = reader.string("name");
    if (name == "default") sources.main = reader.string("template");
    if (name == "tool_use") sources.for_tools = reader.string("template");
  }
  if (!sources.main) bad_input("{}: has no template with the name \"default\"", where);
  return sources;
}

}  // namespace

std::unique_ptr<ChatTemplate> ChatTemplate::parse(std::string_view text, const std::string& name) {
  return std::make_unique<FolderTemplate>(jinja::Template(text, name), std::nullopt, Variables{});
}

std::unique_ptr<ChatTemplate> ChatTemplate::load(const std::string& folder) {
  const std::filesystem::path root(folder);
  const std::filesystem::path config_path = root / "tokenizer_config.json";
  Json config(Json::Object{});
  if (std::filesystem::exists(config_path)) config = Json::parse_file(config_path.string());
  if (!config.is_object()) {
    bad_input("{}: {} where an object is expected", config_path.string(), config.kind());
  }

  Sources sources;
  std::string name = (root / "chat_template.jinja").string();
  if (std::filesystem::exists(name)) {
    sources.main = read_template(name);
    const auto tools = root / "additional_chat_templates" / "tool_use.jinja";
    if (std::filesystem::exists(tools)) sources.for_tools = read_template(tools);
  } else {
    name = config_path.string() + ": chat_template";
    const Json* value = config.find("chat_template");
    if (value != nullptr && !value->is_null()) sources = sources_of(*value, name);
  }
  if (!sources.main) return nullptr;
  std::optional<jinja::Template> for_tools;
  if (sources.for_tools) for_tools.emplace(*sources.for_tools, name + " (tool_use)");
  return std::make_unique<FolderTemplate>(jinja::Template(*sources.main, name),
                                          std::move(for_tools), special_tokens(config));
}

}  // namespace tandem
