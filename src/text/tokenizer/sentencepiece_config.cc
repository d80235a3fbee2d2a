#include "text/tokenizer/sentencepiece_config.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/check.h"
#include "json/json.h"

namespace tandem {
namespace {

constexpr int64_t kMaxId = int64_t{1} << 24;

void add_token(SentencePieceConfig& config, AddedToken token) {
  for (AddedToken& known : config.tokens) {
    if (known.content != token.content) continue;
    known.special = known.special || token.special;
    if (known.id < 0) known.id = token.id;
    return;
  }
  config.tokens.push_back(std::move(token));
}

AddedToken parse_flags(const JsonReader& reader) {
  AddedToken token;
  token.content = reader.string("content");
  token.lstrip = reader.boolean_or("lstrip", false);
  token.rstrip = reader.boolean_or("rstrip", false);
  token.single_word = reader.boolean_or("single_word", false);
  token.special = reader.boolean_or("special", false);
  token.id = -1;
  return token;
}

/// "added_tokens_decoder": {"32000": {"content": ..., flags}}
void read_decoder(const JsonReader& reader, const std::string& name, SentencePieceConfig& config) {
  if (!reader.has("added_tokens_decoder")) return;
  const JsonReader decoder = reader.object("added_tokens_decoder");
  for (const auto& [key, value] : reader.get("added_tokens_decoder").object()) {
    AddedToken token = parse_flags(JsonReader(value, name, "added_tokens_decoder." + key));
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), token.id);
    if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size() || token.id < 0 ||
        token.id > kMaxId)
      bad_input("{} is no id from 0 to {}", decoder.where(key), kMaxId);
    add_token(config, std::move(token));
  }
}

/// bos_token and the like: a string, an object with "content", or a list of them.
void read_named(const Json& json, const std::string& name, const char* key,
                SentencePieceConfig& config) {
  AddedToken token;
  token.id = -1;
  if (json.is_string()) {
    token.content = json.string();
  } else if (json.is_array()) {
    for (const Json& item : json.array()) read_named(item, name, key, config);
    return;
  } else if (json.is_object()) {
    token = parse_flags(JsonReader(json, name, key));
  } else {
    return;  // null: there is none
  }
  token.special = true;
  add_token(config, std::move(token));
}

void read_tokenizer_config(const std::string& path, SentencePieceConfig& config) {
  const Json json = Json::parse_file(path);
  const JsonReader reader(json, path);
  config.add_bos = reader.boolean_or("add_bos_token", true);
  config.add_eos = reader.boolean_or("add_eos_token", false);
  config.legacy = reader.boolean_or("legacy", true);
  read_decoder(reader, path, config);
  for (const char* key :
       {"bos_token", "eos_token", "unk_token", "pad_token", "additional_special_tokens"}) {
    if (reader.has(key)) read_named(reader.get(key), path, key, config);
  }
}

void read_added_tokens(const std::string& path, SentencePieceConfig& config) {
  const Json json = Json::parse_file(path);
  const JsonReader reader(json, path);
  for (const auto& [content, id] : json.object()) {
    AddedToken token;
    token.content = content;
    token.id = static_cast<int32_t>(reader.integer(content, 0, kMaxId));
    add_token(config, std::move(token));
  }
}

}  // namespace

SentencePieceConfig read_sentencepiece_config(const std::string& folder) {
  SentencePieceConfig config;
  const std::string main = folder + "/tokenizer_config.json";
  const std::string added = folder + "/added_tokens.json";
  if (std::filesystem::exists(main)) read_tokenizer_config(main, config);
  if (std::filesystem::exists(added)) read_added_tokens(added, config);
  std::erase_if(config.tokens, [](const AddedToken& token) { return token.content.empty(); });
  return config;
}

}  // namespace tandem
