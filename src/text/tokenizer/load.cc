// Which file of a folder is its tokenizer.
#include <filesystem>

#include "base/check.h"
#include "json/json.h"
#include "text/tokenizer/hf_tokenizer.h"

namespace tandem {

std::unique_ptr<Tokenizer> Tokenizer::load(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path path(folder);
  if (!fs::is_directory(path, error)) bad_input("{}: is no folder", folder);
  const auto has = [&](const char* name) { return fs::exists(path / name, error); };
  if (has("tokenizer.json")) return load_tokenizer_json((path / "tokenizer.json").string());
  bad_input("{}: no tokenizer: expected tokenizer.json", folder);
}

}  // namespace tandem
