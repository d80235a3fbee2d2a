#include "text/tokenizer/model_json.h"

#include <algorithm>
#include <array>

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

/// A merge on its way into the table. The tables are larger than any cache, so merges go through in
/// batches: what one step reads is fetched while the others of the batch take the step before.
struct PendingMerge {
  std::array<std::string_view, 2> parts;
  std::string both;
  std::array<uint64_t, 3> hashes;  // of left, right, both
  std::array<int32_t, 3> ids;
};

void hash_merge(PendingMerge& merge, MergeParts parts, const Vocabulary& vocabulary) {
  merge.parts = {parts.left, parts.right};
  merge.both.assign(parts.left).append(parts.right);
  merge.hashes = {hash_bytes(parts.left), hash_bytes(parts.right), hash_bytes(merge.both)};
  for (const uint64_t hash : merge.hashes) vocabulary.prefetch(hash);
}

MergeTable parse_merges(const JsonReader& model, const Vocabulary& vocabulary) {
  constexpr size_t kBatch = 16;
  const Json::Array& items = model.array("merges");
  MergeTable table;
  table.reserve(items.size());
  std::array<PendingMerge, kBatch> batch;
  for (size_t begin = 0; begin < items.size(); begin += kBatch) {
    const size_t count = std::min(kBatch, items.size() - begin);
    for (size_t i = 0; i < count; ++i)
      hash_merge(batch[i], split_merge(items[begin + i], model, begin + i), vocabulary);
    for (size_t i = 0; i < count; ++i) {
      PendingMerge& merge = batch[i];
      const std::array<std::string_view, 3> texts{merge.parts[0], merge.parts[1], merge.both};
      for (size_t k = 0; k < 3; ++k) {
        merge.ids[k] = vocabulary.find(texts[k], merge.hashes[k]);
        if (merge.ids[k] < 0) {
          bad_input("{}[{}]: \"{}\" is not in model.vocab", model.where("merges"), begin + i,
                    texts[k]);
        }
      }
      table.prefetch(merge.ids[0], merge.ids[1]);
    }
    // Of a pair that occurs twice the last rank counts, as for a map that is filled in order.
    for (size_t i = 0; i < count; ++i) {
      const auto rank = static_cast<uint32_t>(begin + i);
      table.set(batch[i].ids[0], batch[i].ids[1], {rank, batch[i].ids[2]});
    }
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
