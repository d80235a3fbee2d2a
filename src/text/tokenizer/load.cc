// Which file of a folder is its tokenizer.
#include <filesystem>

#include "base/check.h"
#include "json/json.h"
#include "text/tokenizer/hf_tokenizer.h"
#include "text/tokenizer/sentencepiece.h"
#include "text/tokenizer/tiktoken.h"

namespace tandem {
namespace {

/// Whether the folder says that it is Qwen v1, whose vocabulary has a file of its own.
bool is_qwen_v1(const std::filesystem::path& folder) {
  const auto says = [&](const char* file, std::string_view key, std::string_view value) {
    std::error_code error;
    if (!std::filesystem::exists(folder / file, error)) return false;
    const Json json = Json::parse_file((folder / file).string());
    const Json* found = json.find(key);
    return found != nullptr && found->is_string() && found->string() == value;
  };
  return says("config.json", "model_type", "qwen") ||
         says("tokenizer_config.json", "tokenizer_class", "QWenTokenizer");
}

}  // namespace

// tokenizer.json comes first: it says everything about its text, tokenizer.model leaves part of it
// to the code that used it.
std::unique_ptr<Tokenizer> Tokenizer::load(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path path(folder);
  if (!fs::is_directory(path, error)) bad_input("{}: is no folder", folder);
  const auto has = [&](const char* name) { return fs::exists(path / name, error); };
  if (has("tokenizer.json")) return load_tokenizer_json((path / "tokenizer.json").string());
  if (has("tokenizer.model")) return load_sentencepiece(path.string());
  if (has("qwen.tiktoken")) return load_qwen_tiktoken((path / "qwen.tiktoken").string());
  if (is_qwen_v1(path)) {
    bad_input("{}: is missing; a Qwen v1 checkpoint has its vocabulary there",
              (path / "qwen.tiktoken").string());
  }
  bad_input("{}: has no tokenizer; expected tokenizer.json, tokenizer.model or qwen.tiktoken",
            folder);
}

}  // namespace tandem
