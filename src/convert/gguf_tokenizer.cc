#include "convert/gguf_tokenizer.h"

#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/check.h"
#include "text/tokenizer/utf8.h"

namespace tandem {
namespace {

enum TokenType : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5 };

std::string checked(std::string_view text, const GgufFile& file, std::string_view key) {
  if (const size_t at = first_invalid_utf8(text); at != std::string_view::npos) {
    bad_input("{}: \"{}\" holds text that is not valid UTF-8 (byte {} of it)", file.path(), key,
              at);
  }
  return std::string(text);
}

std::vector<std::string> texts(const GgufFile& file, std::string_view key) {
  std::vector<std::string> result;
  for (const std::string_view text : file.strings(key)) {
    result.push_back(checked(text, file, key));
  }
  return result;
}

Json byte_level(bool use_regex) {
  return Json(Json::Object{{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", use_regex}});
}

Json sequence(Json first) {
  const bool cut_by_regex = first.find("pattern") == nullptr;
  return Json(Json::Object{
      {"type", "Sequence"},
      {"pretokenizers", Json(Json::Array{std::move(first), byte_level(cut_by_regex)})}});
}

/// How the vocabulary's family cuts text before merging.
struct Cutting {
  Json pre_tokenizer;
  bool ignore_merges = false;
  bool add_bos = false;  ///< unless the file says otherwise
};

Cutting cutting(const GgufFile& file) {
  const std::string_view model = file.string("tokenizer.ggml.model");
  if (model != "gpt2") {
    unsupported("{}: tokenizer model \"{}\"; byte-level BPE (\"gpt2\") is imported", file.path(),
                model);
  }
  const std::string_view pre =
      file.has("tokenizer.ggml.pre") ? file.string("tokenizer.ggml.pre") : "(none)";
  if (pre == "smollm") {
    return {sequence(Json(Json::Object{{"type", "Digits"}, {"individual_digits", true}}))};
  }
  if (pre == "gpt-2") return {byte_level(true)};
  if (pre == "llama-bpe") {  // LLaMA 3: words, at most three digits, punctuation, white space
    Json pattern(Json::Object{
        {"Regex",
         R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}});
    return {sequence(Json(Json::Object{{"type", "Split"},
                                       {"pattern", std::move(pattern)},
                                       {"behavior", "Isolated"},
                                       {"invert", false}})),
            true, true};
  }
  unsupported("{}: pre-tokenizer \"{}\"; smollm, gpt-2 and llama-bpe are imported", file.path(),
              pre);
}

Json added_tokens(const GgufFile& file, const std::vector<std::string>& tokens) {
  const std::vector<int64_t> types = file.integers("tokenizer.ggml.token_type");
  if (types.size() != tokens.size()) {
    bad_input("{}: tokenizer.ggml.token_type has {} entries and tokenizer.ggml.tokens {}",
              file.path(), types.size(), tokens.size());
  }
  Json::Array added;
  for (size_t id = 0; id < tokens.size(); ++id) {
    const int64_t type = types[id];
    if (type < kNormal || type > kUnused || type == kUnknown) {
      unsupported(
          "{}: token {} (\"{}\") has type {}; normal, control, user-defined and unused "
          "ones are imported",
          file.path(), id, tokens[id], type);
    }
    if (type != kControl && type != kUserDefined) continue;
    added.emplace_back(Json::Object{{"id", static_cast<int64_t>(id)},
                                    {"content", tokens[id]},
                                    {"single_word", false},
                                    {"lstrip", false},
                                    {"rstrip", false},
                                    {"normalized", false},
                                    {"special", type == kControl}});
  }
  return Json(std::move(added));
}

Json bpe_model(const GgufFile& file, const std::vector<std::string>& tokens, bool ignore_merges) {
  Json::Object vocabulary;
  std::unordered_set<std::string_view> seen;
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!seen.insert(tokens[id]).second) {
      bad_input("{}: tokenizer.ggml.tokens has \"{}\" twice", file.path(), tokens[id]);
    }
    vocabulary.emplace_back(tokens[id], Json(static_cast<int64_t>(id)));
  }
  Json::Array merges;
  for (std::string& merge : texts(file, "tokenizer.ggml.merges")) {
    merges.emplace_back(std::move(merge));
  }
  Json::Object model{{"type", "BPE"},
                     {"dropout", Json()},
                     {"unk_token", Json()},
                     {"continuing_subword_prefix", Json()},
                     {"end_of_word_suffix", Json()},
                     {"fuse_unk", false},
                     {"byte_fallback", false}};
  if (ignore_merges) model.emplace_back("ignore_merges", true);
  model.emplace_back("vocab", Json(std::move(vocabulary)));
  model.emplace_back("merges", Json(std::move(merges)));
  return Json(std::move(model));
}

/// Puts the token in front of every text.
Json bos_template(const std::string& token, int64_t id) {
  const Json special(
      Json::Object{{"SpecialToken", Json(Json::Object{{"id", token}, {"type_id", 0}})}});
  const auto part = [](const char* name, int type) {
    return Json(Json::Object{{"Sequence", Json(Json::Object{{"id", name}, {"type_id", type}})}});
  };
  Json entry(Json::Object{{"id", token},
                          {"ids", Json(Json::Array{Json(id)})},
                          {"tokens", Json(Json::Array{Json(token)})}});
  return Json(
      Json::Object{{"type", "TemplateProcessing"},
                   {"single", Json(Json::Array{special, part("A", 0)})},
                   {"pair", Json(Json::Array{special, part("A", 0), special, part("B", 1)})},
                   {"special_tokens", Json(Json::Object{{token, std::move(entry)}})}});
}

std::optional<int64_t> token_id(const GgufFile& file, std::string_view name, size_t tokens) {
  const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
  if (!file.has(key)) return std::nullopt;
  return file.integer(key, 0, static_cast<int64_t>(tokens) - 1);
}

}  // namespace

GgufTokenizer GgufTokenizer::read(const GgufFile& file) {
  Cutting cut = cutting(file);
  const std::vector<std::string> tokens = texts(file, "tokenizer.ggml.tokens");
  const auto bos = token_id(file, "bos", tokens.size());
  const auto eos = token_id(file, "eos", tokens.size());
  const auto eot = token_id(file, "eot", tokens.size());
  const auto pad = token_id(file, "padding", tokens.size());
  const auto unk = token_id(file, "unknown", tokens.size());
  if (file.boolean_or("tokenizer.ggml.add_eos_token", false)) {
    unsupported("{}: a tokenizer that puts an end token behind every text is not imported",
                file.path());
  }
  const bool add_bos = bos && file.boolean_or("tokenizer.ggml.add_bos_token", cut.add_bos);
  const auto content = [&](int64_t id) { return tokens[static_cast<size_t>(id)]; };

  GgufTokenizer result;
  result.tokenizer =
      Json(Json::Object{{"version", "1.0"},
                        {"truncation", Json()},
                        {"padding", Json()},
                        {"added_tokens", added_tokens(file, tokens)},
                        {"normalizer", Json()},
                        {"pre_tokenizer", std::move(cut.pre_tokenizer)},
                        {"post_processor", add_bos ? bos_template(content(*bos), *bos) : Json()},
                        {"decoder", Json(Json::Object{{"type", "ByteLevel"},
                                                      {"add_prefix_space", true},
                                                      {"trim_offsets", true},
                                                      {"use_regex", true}})},
                        {"model", bpe_model(file, tokens, cut.ignore_merges)}});

  Json::Object config{{"tokenizer_class", "PreTrainedTokenizerFast"}};
  if (bos) config.emplace_back("bos_token", content(*bos));
  if (eos) config.emplace_back("eos_token", content(*eos));
  if (pad) config.emplace_back("pad_token", content(*pad));
  if (unk) config.emplace_back("unk_token", content(*unk));
  config.emplace_back("model_max_length",
                      file.integer("llama.context_length", 1, int64_t{1} << 31));
  config.emplace_back("clean_up_tokenization_spaces", false);
  if (file.has("tokenizer.chat_template")) {
    config.emplace_back("chat_template", checked(file.string("tokenizer.chat_template"), file,
                                                 "tokenizer.chat_template"));
  }
  result.tokenizer_config = Json(std::move(config));

  Json::Object ids;
  if (bos) ids.emplace_back("bos_token_id", *bos);
  if (eos) ids.emplace_back("eos_token_id", *eos);
  if (pad) ids.emplace_back("pad_token_id", *pad);
  result.special_ids = Json(std::move(ids));
  result.generation_config = result.special_ids;
  if (eos && eot && *eos != *eot) {
    result.generation_config.set("eos_token_id", Json(Json::Array{Json(*eos), Json(*eot)}));
  }
  return result;
}

}  // namespace tandem
