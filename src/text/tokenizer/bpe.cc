#include "text/tokenizer/bpe.h"

#include <fmt/format.h>

#include "text/tokenizer/byte_letters.h"
#include "text/tokenizer/utf8.h"
#include "text/tokenizer/word_cache.h"

namespace tandem {
namespace {

constexpr std::string_view kMetaspace = "\xe2\x96\x81";

/// The tokens that are made of byte letters only, as bytes.
Vocabulary to_bytes(const Vocabulary& letters) {
  Vocabulary bytes;
  bytes.reserve(letters.size(), letters.size() * 8);
  std::string spelled;
  for (int32_t id = 0; id <= letters.largest_id(); ++id) {
    spelled.clear();
    if (letters.has(id) && append_bytes_of_letters(letters.token(id), spelled))
      bytes.add(spelled, id);
  }
  return bytes;
}

}  // namespace

struct BpeModel::Scratch : ModelScratch {
  WordCache cache;
  MergeScratch merge;
};

BpeModel::BpeModel(std::shared_ptr<const Vocabulary> vocabulary, MergeTable merges,
                   BpeOptions options)
    : vocabulary_(std::move(vocabulary)), merges_(std::move(merges)), options_(options) {
  for (int byte = 0; byte < 256; ++byte) {
    std::string token;
    if (options_.byte_level) {
      append_utf8(token, byte_letter(static_cast<uint8_t>(byte)));
    } else {
      token = fmt::format("<0x{:02X}>", byte);
    }
    byte_ids_[static_cast<size_t>(byte)] = vocabulary_->find(token);
  }
  if (options_.byte_level) {
    if (options_.ignore_merges) spelled_ = to_bytes(*vocabulary_);
    return;
  }
  character_ids_.assign(0x10000, -1);
  for (int32_t id = 0; id <= vocabulary_->largest_id(); ++id) {
    const std::string_view token = vocabulary_->token(id);
    if (token.empty()) continue;
    const Utf8Char c = utf8_at(token, 0);
    if (c.size == token.size() && c.code < character_ids_.size()) character_ids_[c.code] = id;
  }
}

void BpeModel::allow_cuts_at_metaspace() {
  cuts_at_metaspace_ =
      !options_.byte_level && !options_.ignore_merges && vocabulary_->find(kMetaspace) >= 0;
}

std::unique_ptr<ModelScratch> BpeModel::make_scratch() const { return std::make_unique<Scratch>(); }

void BpeModel::encode(std::string_view piece, ModelScratch& scratch,
                      std::vector<int32_t>& ids) const {
  auto& own = static_cast<Scratch&>(scratch);
  size_t begin = 0;
  if (cuts_at_metaspace_) {
    size_t at = 0;
    while ((at = piece.find(kMetaspace, at)) != std::string_view::npos) {
      if (at > begin) encode_word(piece.substr(begin, at - begin), own, ids);
      begin = at;
      while (piece.substr(at).starts_with(kMetaspace)) at += kMetaspace.size();
    }
  }
  encode_word(piece.substr(begin), own, ids);
}

void BpeModel::encode_word(std::string_view word, Scratch& scratch,
                           std::vector<int32_t>& ids) const {
  if (word.empty()) return;
  if (word.size() > WordCache::kMaxBytes) return encode_uncached(word, scratch, ids);
  const WordCache::Key key = WordCache::key(word);
  if (scratch.cache.find(key, ids)) return;
  const size_t first = ids.size();
  encode_uncached(word, scratch, ids);
  scratch.cache.store(key, ids.data() + first, ids.size() - first);
}

void BpeModel::encode_uncached(std::string_view word, Scratch& scratch,
                               std::vector<int32_t>& ids) const {
  if (options_.ignore_merges) {
    if (const int32_t id = whole_word(word); id >= 0) {
      ids.push_back(id);
      return;
    }
  }
  const size_t first = ids.size();
  if (options_.byte_level) {
    symbols_of_bytes(word, ids);
  } else {
    symbols_of_characters(word, ids);
  }
  apply_merges(merges_, scratch.merge, ids, first);
}

int32_t BpeModel::whole_word(std::string_view word) const {
  return options_.byte_level ? spelled_.find(word) : vocabulary_->find(word);
}

void BpeModel::symbols_of_bytes(std::string_view word, std::vector<int32_t>& ids) const {
  bool in_unknown = false;
  for (const char c : word) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(c)];
    if (id >= 0) {
      ids.push_back(id);
    } else if (options_.unk >= 0 && !(in_unknown && options_.fuse_unk)) {
      ids.push_back(options_.unk);
    }
    in_unknown = id < 0;
  }
}

int32_t BpeModel::character_id(std::string_view character, char32_t code) const {
  return code < character_ids_.size() ? character_ids_[code] : vocabulary_->find(character);
}

bool BpeModel::push_bytes(std::string_view character, std::vector<int32_t>& ids) const {
  const size_t first = ids.size();
  for (const char c : character) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(c)];
    if (id < 0) {
      ids.resize(first);
      return false;
    }
    ids.push_back(id);
  }
  return true;
}

void BpeModel::symbols_of_characters(std::string_view word, std::vector<int32_t>& ids) const {
  // An unknown character's id is held back until one with a token follows: that is the order in
  // which tokenizer.json's own library puts them beside bytes.
  bool pending = false;
  for (size_t at = 0; at < word.size();) {
    const Utf8Char c = utf8_at(word, at);
    const std::string_view character = word.substr(at, c.size);
    at += c.size;
    const int32_t id = character_id(character, c.code);
    if (id >= 0) {
      if (pending) ids.push_back(options_.unk);
      pending = false;
      ids.push_back(id);
    } else if (options_.byte_fallback && push_bytes(character, ids)) {
      continue;
    } else if (options_.unk >= 0) {
      if (pending && !options_.fuse_unk) ids.push_back(options_.unk);
      pending = true;
    }
  }
  if (pending) ids.push_back(options_.unk);
}

bool metaspace_only_begins(const Vocabulary& vocabulary) {
  for (int32_t id = 0; id <= vocabulary.largest_id(); ++id) {
    std::string_view token = vocabulary.token(id);
    while (token.starts_with(kMetaspace)) token.remove_prefix(kMetaspace.size());
    if (token.find(kMetaspace) != std::string_view::npos) return false;
  }
  return true;
}

}  // namespace tandem
