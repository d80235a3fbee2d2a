#include "text/tokenizer/model_json.h"

#include <algorithm>

#include "base/check.h"
#include "text/tokenizer/bpe.h"
#include "text/tokenizer/component.h"
#include "text/tokenizer/unigram.h"

namespace tandem {
namespace {

constexpr int64_t kMaxId = int64_t{1} << 24;

std::shared_ptr<const Vocabulary> parse_bpe_vocabulary(const JsonReader& model) {
  const Json& json = model.get("vocab");
  if (!json.is_object()) {
    bad_input("{} is {}; an object of tokens and ids is expected", model.where("vocab"),
              json.kind());
  }
  auto vocabulary = std::make_shared<Vocabulary>();
  vocabulary->reserve(json.object().size(), json.object().size() * 8);
  for (const auto& [token, id] : json.object()) {
    if (!id.is_int() || id.integer() < 0 || id.integer() > kMaxId) {
      bad_input("{}: the id of \"{}\" is {}; expected a number from 0 to {}", model.where("vocab"),
                token, id.dump().substr(0, 40), kMaxId);
    }
    if (!vocabulary->add(token, static_cast<int32_t>(id.integer()))) {
      bad_input("{}: id {} of \"{}\" belongs to another token too", model.where("vocab"),
                id.integer(), token);
    }
  }
  return vocabulary;
}

struct MergeParts {
  std::string_view left;
  std::string_view right;
};

/// One element of "merges": "left right", or [left, right].
MergeParts split_merge(const Json& item, const JsonReader& model, size_t index) {
  if (item.is_string()) {
    const std::string_view text = item.string();
    const size_t space = text.find(' ');
    if (space != text.npos && text.find(' ', space + 1) == text.npos)
      return {text.substr(0, space), text.substr(space + 1)};
  } else if (item.is_array() && item.array().size() == 2 && item.array()[0].is_string() &&
             item.array()[1].is_string()) {
    return {item.array()[0].string(), item.array()[1].string()};
  }
  bad_input("{}[{}] is {}; expected \"left right\" or [\"left\", \"right\"]", model.where("merges"),
            index, item.dump().substr(0, 60));
}

MergeTable parse_merges(const JsonReader& model, const Vocabulary& vocabulary) {
  const Json::Array& items = model.array("merges");
  MergeTable table;
  table.reserve(items.size());
  std::string both;
  for (size_t i = 0; i < items.size(); ++i) {
    const MergeParts parts = split_merge(items[i], model, i);
    both.assign(parts.left).append(parts.right);
    const int32_t left = vocabulary.find(parts.left);
    const int32_t right = vocabulary.find(parts.right);
    const int32_t merged = vocabulary.find(both);
    if (left < 0 || right < 0 || merged < 0) {
      bad_input("{}[{}]: \"{}\" is not in model.vocab", model.where("merges"), i,
                left < 0    ? parts.left
                : right < 0 ? parts.right
                            : both);
    }
    // Of a pair that occurs twice the last rank counts, as for a map that is filled in order.
    table.set(left, right, {static_cast<uint32_t>(i), merged});
  }
  return table;
}

void refuse_options(const JsonReader& model) {
  if (model.has("dropout") && model.number("dropout", 0, 1) != 0)
    unsupported("{}: dropout makes encoding random and is not supported", model.where("dropout"));
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.string_or(key, "").empty())
      unsupported("{} is \"{}\"; only an empty one is supported", model.where(key),
                  model.string(key));
  }
}

ParsedModel parse_bpe(const JsonReader& model, bool byte_level) {
  refuse_options(model);
  ParsedModel parsed;
  parsed.vocabulary = parse_bpe_vocabulary(model);
  BpeOptions options;
  options.fuse_unk = model.boolean_or("fuse_unk", false);
  options.byte_fallback = model.boolean_or("byte_fallback", false);
  options.ignore_merges = model.boolean_or("ignore_merges", false);
  options.byte_level = byte_level;
  if (byte_level && options.byte_fallback)
    unsupported("{}: byte_fallback together with ByteLevel", model.where("byte_fallback"));
  if (model.has("unk_token")) {
    options.unk = parsed.vocabulary->find(model.string("unk_token"));
    if (options.unk < 0) {
      bad_input("{} is \"{}\", which is not in model.vocab", model.where("unk_token"),
                model.string("unk_token"));
    }
  }
  auto bpe = std::make_unique<BpeModel>(parsed.vocabulary, parse_merges(model, *parsed.vocabulary),
                                        options);
  if (!byte_level && metaspace_only_begins(*parsed.vocabulary)) bpe->allow_cuts_at_metaspace();
  parsed.model = std::move(bpe);
  parsed.description = byte_level              ? "BPE, byte-level"
                       : options.byte_fallback ? "BPE, byte fallback"
                                               : "BPE";
  return parsed;
}

std::string model_type(const JsonReader& model) {
  if (model.has("type")) return model.string("type");
  // Older files do not say it.
  return model.has("merges") ? "BPE" : "";
}

}  // namespace

ParsedModel parse_model(const JsonReader& tokenizer, const std::string& name, bool byte_level) {
  const JsonReader model(tokenizer.get("model"), name, "model");
  const std::string type = model_type(model);
  if (type == "BPE") return parse_bpe(model, byte_level);
  if (type == "Unigram") return parse_unigram(model, byte_level);
  unsupported("{} is \"{}\"; known models: BPE, Unigram", model.where("type"), type);
}

}  // namespace tandem
