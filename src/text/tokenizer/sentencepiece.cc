#include "text/tokenizer/sentencepiece.h"

#include <algorithm>
#include <fstream>

#include "base/check.h"
#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/sentencepiece_config.h"
#include "text/tokenizer/sentencepiece_model.h"
#include "text/tokenizer/utf8.h"
#include "text/tokenizer/vocabulary.h"

namespace tandem {
namespace {

constexpr std::string_view kSpace = "\xe2\x96\x81";
constexpr size_t kMaxFileBytes = size_t{64} << 20;

class SentencePieceTokenizer : public Tokenizer {
 public:
  SentencePieceTokenizer(const std::string& model, const std::string& path,
                         SentencePieceConfig config);

  std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options) const override;
  std::string decode(const std::vector<int32_t>& ids, bool skip_special) const override;
  std::unique_ptr<Detokenizer> detokenizer(bool skip_special) const override;
  int64_t vocab_size() const override { return vocab_size_; }
  std::optional<int32_t> token_to_id(std::string_view token) const override;
  bool is_special(int32_t id) const override;
  std::string description() const override { return "tokenizer.model (SentencePiece)"; }

  const SentencePieceModel& model() const { return model_; }
  bool in_model(int32_t id) const { return id >= 0 && id < model_.size(); }
  const Vocabulary& added() const { return added_; }

 private:
  void resolve_ids(std::vector<AddedToken>& tokens, const std::string& path) const;

  SentencePieceConfig config_;
  SentencePieceModel model_;
  std::unique_ptr<SentencePieceModel> without_space_;  // only where legacy is off
  Vocabulary added_;
  std::vector<bool> special_;  // of the added tokens, by id
  AddedTokenMatcher matcher_{{}};
  int64_t vocab_size_ = 0;
};

/// Bytes to text: one U+FFFD for every byte that is no part of a character.
class ByteRun {
 public:
  void push(char byte, std::string& out) {
    rest_.push_back(byte);
    while (!rest_.empty()) {
      const Utf8Step step = utf8_step(rest_, 0);
      if (step.kind == Utf8Step::Kind::kCutOff) return;
      const bool good = step.kind == Utf8Step::Kind::kCharacter;
      out.append(good ? std::string_view(rest_).substr(0, step.size) : kReplacement);
      rest_.erase(0, good ? step.size : 1);
    }
  }
  void finish(std::string& out) {
    for (size_t i = 0; i < rest_.size(); ++i) out.append(kReplacement);
    rest_.clear();
  }

 private:
  std::string rest_;
};

class SentencePieceDetokenizer : public Detokenizer {
 public:
  SentencePieceDetokenizer(const SentencePieceTokenizer& tokenizer, bool skip_special)
      : tokenizer_(tokenizer), skip_special_(skip_special) {}

  std::string push(int32_t id) override {
    std::string out;
    push(id, out);
    return out;
  }
  void push(int32_t id, std::string& out) {
    if (skip_special_ && tokenizer_.is_special(id)) return;
    if (tokenizer_.added().has(id)) return push_added(tokenizer_.added().token(id), out);
    // A model may have more rows than the vocabulary has tokens; those have no text.
    if (!tokenizer_.in_model(id)) return;
    const SentencePieceModel& model = tokenizer_.model();
    const std::string& piece = model.piece(id);
    if (model.is_byte(id)) {
      bytes_.push(static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16)), out);
      at_start_ = false;
      return;
    }
    bytes_.finish(out);
    if (model.is_control(id)) return;
    if (model.is_unknown(id)) {
      out += model.unk_surface();
      at_start_ = false;
    } else {
      push_piece(piece, out);
    }
  }
  std::string finish() override {
    std::string out;
    bytes_.finish(out);
    return out;
  }

 private:
  void push_added(std::string_view content, std::string& out) {
    bytes_.finish(out);
    out += content;
    at_start_ = true;  // the part behind it has a leading space of its own
  }
  void push_piece(std::string_view piece, std::string& out) {
    const SentencePieceSpec& rules = tokenizer_.model().spec();
    const bool strips = at_start_ && (rules.dummy_prefix || rules.remove_extra_whitespaces);
    const bool stripped = strips && piece.starts_with(kSpace);
    if (stripped) piece.remove_prefix(kSpace.size());
    if (!piece.empty() || (stripped && !rules.remove_extra_whitespaces)) at_start_ = false;
    while (!piece.empty()) {
      const size_t space = std::min(piece.find(kSpace), piece.size());
      out += piece.substr(0, space);
      piece.remove_prefix(space);
      if (piece.empty()) break;
      out += ' ';
      piece.remove_prefix(kSpace.size());
    }
  }

  const SentencePieceTokenizer& tokenizer_;
  bool skip_special_;
  bool at_start_ = true;  // no text yet, so that the added leading space is still to come
  ByteRun bytes_;
};

SentencePieceTokenizer::SentencePieceTokenizer(const std::string& model, const std::string& path,
                                               SentencePieceConfig config)
    : config_(std::move(config)), model_(model, path, true) {
  if (!config_.legacy) without_space_ = std::make_unique<SentencePieceModel>(model, path, false);
  resolve_ids(config_.tokens, path);
  vocab_size_ = model_.size();
  for (const AddedToken& token : config_.tokens)
    vocab_size_ = std::max<int64_t>(vocab_size_, token.id + int64_t{1});
  special_.resize(static_cast<size_t>(vocab_size_));
  for (const AddedToken& token : config_.tokens) {
    if (!added_.add(token.content, token.id))
      bad_input("{}: two special tokens beside it have id {}", path, token.id);
    special_[static_cast<size_t>(token.id)] = token.special;
  }
  matcher_ = AddedTokenMatcher(config_.tokens);
}

/// Gives the tokens that the configuration only names the ids that the model has for them; those
/// that it does not have cannot be produced and are left out.
void SentencePieceTokenizer::resolve_ids(std::vector<AddedToken>& tokens,
                                         const std::string& path) const {
  for (AddedToken& token : tokens) {
    const int32_t known = model_.find(token.content);
    if (token.id < 0) token.id = known;
    if (in_model(token.id) && known != token.id) {
      bad_input("{}: id {} is \"{}\", but the configuration beside it says \"{}\"", path, token.id,
                model_.piece(token.id), token.content);
    }
  }
  std::erase_if(tokens, [](const AddedToken& token) { return token.id < 0; });
}

std::vector<int32_t> SentencePieceTokenizer::encode(std::string_view text,
                                                    const EncodeOptions& options) const {
  if (const size_t at = first_invalid_utf8(text); at != std::string_view::npos)
    bad_input("the text is not valid UTF-8 at byte {}", at);
  std::vector<int32_t> ids;
  if (options.add_special_tokens && config_.add_bos && model_.bos() >= 0)
    ids.push_back(model_.bos());
  matcher_.split(text, options.allow_special, [&](TextPart part) {
    if (part.id >= 0) {
      ids.push_back(part.id);
      return;
    }
    const bool first = part.text.data() == text.data();
    const bool spaced = first || without_space_ == nullptr;
    (spaced ? model_ : *without_space_).encode(part.text, ids);
  });
  if (options.add_special_tokens && config_.add_eos && model_.eos() >= 0)
    ids.push_back(model_.eos());
  return ids;
}

std::string SentencePieceTokenizer::decode(const std::vector<int32_t>& ids,
                                           bool skip_special) const {
  SentencePieceDetokenizer stream(*this, skip_special);
  std::string text;
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab_size_)
      bad_input("id {} is outside the vocabulary; expected 0 to {}", id, vocab_size_ - 1);
    stream.push(id, text);
  }
  return text + stream.finish();
}

std::unique_ptr<Detokenizer> SentencePieceTokenizer::detokenizer(bool skip_special) const {
  return std::make_unique<SentencePieceDetokenizer>(*this, skip_special);
}

std::optional<int32_t> SentencePieceTokenizer::token_to_id(std::string_view token) const {
  if (const int32_t id = added_.find(token); id >= 0) return id;
  const int32_t id = model_.find(token);
  if (id < 0) return std::nullopt;
  return id;
}

bool SentencePieceTokenizer::is_special(int32_t id) const {
  if (id < 0 || id >= vocab_size_) return false;
  return special_[static_cast<size_t>(id)] ||
         (in_model(id) && (model_.is_control(id) || model_.is_unknown(id)));
}

}  // namespace

std::unique_ptr<Tokenizer> load_sentencepiece(const std::string& folder) {
  const std::string path = folder + "/tokenizer.model";
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) bad_input("{}: cannot be read", path);
  const auto size = static_cast<std::streamoff>(file.tellg());
  if (size < 0 || static_cast<uint64_t>(size) > kMaxFileBytes)
    bad_input("{}: is no regular file of at most {} bytes", path, kMaxFileBytes);
  std::string model(static_cast<size_t>(size), '\0');
  file.seekg(0);
  file.read(model.data(), size);
  if (file.gcount() != size) bad_input("{}: cannot be read to its end", path);
  return std::make_unique<SentencePieceTokenizer>(model, path, read_sentencepiece_config(folder));
}

}  // namespace tandem
