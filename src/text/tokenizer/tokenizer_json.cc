// tokenizer.json: which components make up the tokenizer.
#include <string>

#include "base/check.h"
#include "text/tokenizer/component.h"
#include "text/tokenizer/hf_tokenizer.h"
#include "text/tokenizer/model_json.h"

namespace tandem {
namespace {

constexpr size_t kMaxAddedBytes = 1000;  // of one added token
constexpr size_t kMaxAddedBytesInAll = size_t{4} << 20;
constexpr int64_t kMaxId = int64_t{1} << 24;

const Json& member(const JsonReader& reader, std::string_view key) {
  static const Json none;
  return reader.has(key) ? reader.get(key) : none;
}

AddedToken parse_added_token(const JsonReader& reader, const Vocabulary& vocabulary) {
  AddedToken token;
  token.content = reader.string("content");
  token.id = static_cast<int32_t>(reader.integer("id", 0, kMaxId));
  token.special = reader.boolean_or("special", false);
  token.normalized = reader.boolean_or("normalized", !token.special);
  token.lstrip = reader.boolean_or("lstrip", false);
  token.rstrip = reader.boolean_or("rstrip", false);
  token.single_word = reader.boolean_or("single_word", false);
  if (token.content.size() > kMaxAddedBytes) {
    bad_input("{} has {} bytes; at most {} are accepted", reader.where("content"),
              token.content.size(), kMaxAddedBytes);
  }
  const int32_t known = vocabulary.find(token.content);
  if (known >= 0 && known != token.id) {
    bad_input("{} is {}, but \"{}\" has id {} in model.vocab", reader.where("id"), token.id,
              token.content, known);
  }
  if (known < 0 && vocabulary.has(token.id)) {
    bad_input("{} is {} for \"{}\", but model.vocab gives that id to \"{}\"", reader.where("id"),
              token.id, token.content, vocabulary.token(token.id));
  }
  return token;
}

std::vector<AddedToken> parse_added_tokens(const JsonReader& reader, const std::string& name,
                                           const Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  if (!reader.has("added_tokens")) return tokens;
  size_t bytes = 0;
  Vocabulary seen;
  for (const Json& item : reader.array("added_tokens")) {
    const JsonReader entry(item, name, fmt::format("added_tokens[{}]", tokens.size()));
    tokens.push_back(parse_added_token(entry, vocabulary));
    bytes += tokens.back().content.size();
    if (bytes > kMaxAddedBytesInAll)
      bad_input("{}: more than {} bytes of added tokens", name, kMaxAddedBytesInAll);
    if (!seen.add(tokens.back().content, tokens.back().id)) {
      bad_input("{}: \"{}\" or its id {} occurs twice", entry.where("content"),
                tokens.back().content, tokens.back().id);
    }
  }
  return tokens;
}

void check_frame(const Frame& frame, const HfTokenizer& tokenizer, const std::string& name) {
  for (const auto* ids : {&frame.before, &frame.after}) {
    for (const int32_t id : *ids) {
      if (!tokenizer.token(id))
        bad_input("{}: post_processor adds id {}, which no token has", name, id);
    }
  }
}

}  // namespace

std::unique_ptr<Tokenizer> parse_tokenizer_json(std::string_view text, const std::string& name) {
  return make_tokenizer(Json::parse(text, name), name);
}

std::unique_ptr<Tokenizer> load_tokenizer_json(const std::string& path) {
  return make_tokenizer(Json::parse_file(path), path);
}

std::unique_ptr<Tokenizer> make_tokenizer(const Json& json, const std::string& name) {
  const JsonReader reader(json, name);
  TokenizerParts parts;
  parts.normalizer = parse_normalizer(member(reader, "normalizer"), name, "normalizer");
  parts.pre_tokenizer = parse_pre_tokenizer(member(reader, "pre_tokenizer"), name);
  parts.frame = parse_post_processor(member(reader, "post_processor"), name);
  parts.decoder = Decoder::parse(member(reader, "decoder"), name);
  ParsedModel model = parse_model(reader, name, parts.pre_tokenizer.byte_level);
  parts.vocabulary = model.vocabulary;
  parts.model = std::move(model.model);
  parts.description = fmt::format("tokenizer.json ({})", model.description);
  parts.added = parse_added_tokens(reader, name, *parts.vocabulary);
  const Frame frame = parts.frame;
  auto tokenizer = std::make_unique<HfTokenizer>(std::move(parts));
  check_frame(frame, *tokenizer, name);
  return tokenizer;
}

}  // namespace tandem
