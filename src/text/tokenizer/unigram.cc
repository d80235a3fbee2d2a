#include "text/tokenizer/unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "text/tokenizer/utf8.h"

namespace tandem {
namespace {

/// The search looks at so many tokens per character at most.
constexpr size_t kMaxTokenBytes = 1000;
constexpr size_t kNowhere = ~size_t{0};

}  // namespace

struct UnigramModel::Scratch : ModelScratch {
  struct Best {  // the best cut of the text up to here
    double score = 0;
    size_t begin = kNowhere;  // of its last token
    int32_t id = -1;
  };
  std::vector<Best> best;
  std::vector<std::string_view> pieces;
  bool single_precision = false;

  void offer(size_t begin, size_t end, double score, int32_t id) {
    Best& old = best[end];
    if (single_precision) score = static_cast<double>(static_cast<float>(score));
    if (old.begin == kNowhere || score > old.score) old = {score, begin, id};
  }
};

UnigramModel::UnigramModel(std::shared_ptr<const Vocabulary> vocabulary, std::vector<double> scores,
                           UnigramOptions options)
    : vocabulary_(std::move(vocabulary)), scores_(std::move(scores)), options_(options) {
  double least = std::numeric_limits<double>::infinity();
  for (int32_t id = 0; id <= vocabulary_->largest_id(); ++id) {
    const std::string_view token = vocabulary_->token(id);
    if (token.empty() || std::isnan(scores_[static_cast<size_t>(id)])) continue;
    trie_.add(token, id);
    least = std::min(least, scores_[static_cast<size_t>(id)]);
  }
  if (least < std::numeric_limits<double>::infinity()) unk_score_ = least - kUnkPenalty;
  for (size_t byte = 0; byte < 256; ++byte)
    byte_ids_[byte] = vocabulary_->find(fmt::format("<0x{:02X}>", byte));
}

std::unique_ptr<ModelScratch> UnigramModel::make_scratch() const {
  auto scratch = std::make_unique<Scratch>();
  scratch->single_precision = options_.single_precision;
  return scratch;
}

/// Fills scratch.best by dynamic programming over the characters.
void UnigramModel::search(std::string_view piece, Scratch& scratch) const {
  scratch.best.assign(piece.size() + 1, {});
  for (size_t begin = 0; begin < piece.size();) {
    const size_t size = utf8_at(piece, begin).size;
    const double here = scratch.best[begin].score;
    bool has_single = false;
    uint32_t node = 0;
    for (size_t end = begin; end < piece.size();) {
      node = trie_.child(node, static_cast<uint8_t>(piece[end++]));
      if (node == ByteTrie::kNone) break;
      const int32_t id = trie_.value(node);
      if (id < 0) continue;
      scratch.offer(begin, end, here + scores_[static_cast<size_t>(id)], id);
      has_single = has_single || end - begin == size;
    }
    if (!has_single) {
      if (options_.unk < 0) {
        bad_input("the tokenizer has neither a token for \"{}\" nor one for unknown characters",
                  piece.substr(begin, size));
      }
      scratch.offer(begin, begin + size, here + unk_score_, options_.unk);
    }
    begin += size;
  }
}

void UnigramModel::push_piece(std::string_view text, std::vector<int32_t>& ids) const {
  const int32_t id = vocabulary_->find(text);
  if (id >= 0 && !std::isnan(scores_[static_cast<size_t>(id)])) {
    ids.push_back(id);
    return;
  }
  const auto has_token = [&](char c) { return byte_ids_[static_cast<uint8_t>(c)] >= 0; };
  if (options_.byte_fallback && std::all_of(text.begin(), text.end(), has_token)) {
    for (const char c : text) ids.push_back(byte_ids_[static_cast<uint8_t>(c)]);
  } else {
    ids.push_back(options_.unk);
  }
}

void UnigramModel::encode(std::string_view piece, ModelScratch& scratch,
                          std::vector<int32_t>& ids) const {
  auto& own = static_cast<Scratch&>(scratch);
  search(piece, own);
  own.pieces.clear();
  bool unknown_before = false;
  for (size_t end = piece.size(); end > 0;) {
    const Scratch::Best& last = own.best[end];
    const bool unknown = last.id == options_.unk;
    if (unknown && unknown_before) {  // a run of unknown characters is one piece
      const std::string_view run = own.pieces.back();
      own.pieces.back() = piece.substr(last.begin, end - last.begin + run.size());
    } else {
      own.pieces.push_back(piece.substr(last.begin, end - last.begin));
    }
    unknown_before = unknown;
    end = last.begin;
  }
  for (auto text = own.pieces.rbegin(); text != own.pieces.rend(); ++text) push_piece(*text, ids);
}

ParsedModel parse_unigram(const JsonReader& model, bool byte_level) {
  if (byte_level) unsupported("{}: Unigram together with ByteLevel", model.where("type"));
  const Json::Array& items = model.array("vocab");
  auto vocabulary = std::make_shared<Vocabulary>();
  vocabulary->reserve(items.size(), items.size() * 8);
  std::vector<double> scores;
  for (const Json& item : items) {
    const size_t index = scores.size();
    if (!item.is_array() || item.array().size() != 2 || !item.array()[0].is_string() ||
        !item.array()[1].is_number()) {
      bad_input("{}[{}] is {}; expected [token, score]", model.where("vocab"), index,
                item.dump().substr(0, 60));
    }
    const std::string& token = item.array()[0].string();
    if (token.size() > kMaxTokenBytes) {
      bad_input("{}[{}] has {} bytes; at most {} are accepted", model.where("vocab"), index,
                token.size(), kMaxTokenBytes);
    }
    if (!vocabulary->add(token, static_cast<int32_t>(index)))
      bad_input("{}[{}]: \"{}\" occurs twice", model.where("vocab"), index, token);
    scores.push_back(item.array()[1].number());
  }
  UnigramOptions options;
  options.byte_fallback = model.boolean_or("byte_fallback", false);
  if (model.has("unk_id")) {
    options.unk =
        static_cast<int32_t>(model.integer("unk_id", 0, static_cast<int64_t>(scores.size()) - 1));
  }
  ParsedModel parsed;
  parsed.vocabulary = vocabulary;
  parsed.model = std::make_unique<UnigramModel>(vocabulary, std::move(scores), options);
  parsed.description = options.byte_fallback ? "Unigram, byte fallback" : "Unigram";
  return parsed;
}

}  // namespace tandem
