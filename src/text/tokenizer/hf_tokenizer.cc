#include "text/tokenizer/hf_tokenizer.h"

#include <algorithm>

#include "base/check.h"
#include "text/tokenizer/utf8.h"

namespace tandem {
namespace {

std::vector<AddedToken> tokens_for_matcher(const TokenizerParts& parts, bool normalized) {
  std::vector<AddedToken> tokens;
  RegexScratch scratch;
  for (AddedToken token : parts.added) {
    if (token.normalized != normalized) continue;
    if (normalized && parts.normalizer != nullptr) parts.normalizer->apply(token.content, scratch);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

class HfDetokenizer : public Detokenizer {
 public:
  HfDetokenizer(const HfTokenizer& tokenizer, bool skip_special)
      : tokenizer_(tokenizer), skip_special_(skip_special), chain_(tokenizer.decoder()) {}

  std::string push(int32_t id) override {
    std::string out;
    push(id, out);
    return out;
  }
  void push(int32_t id, std::string& out) {
    // A model may have more rows than the vocabulary has tokens; those have no text.
    const auto token = tokenizer_.token(id);
    if (!token || (skip_special_ && tokenizer_.is_special(id))) return;
    chain_.push(*token, out);
  }
  std::string finish() override {
    std::string out;
    chain_.finish(out);
    return out;
  }

 private:
  const HfTokenizer& tokenizer_;
  bool skip_special_;
  DecodeChain chain_;
};

}  // namespace

struct HfTokenizer::Workspace {
  RegexScratch regex;
  std::unique_ptr<ModelScratch> model;
  bool allow_special = true;
  std::vector<int32_t> ids;
};

HfTokenizer::HfTokenizer(TokenizerParts parts)
    : parts_(std::move(parts)),
      raw_(tokens_for_matcher(parts_, false)),
      normalized_(tokens_for_matcher(parts_, true)) {
  for (const AddedToken& token : parts_.added) {
    if (parts_.vocabulary->find(token.content) != token.id) added_.add(token.content, token.id);
  }
  vocab_size_ = std::max(parts_.vocabulary->largest_id(), added_.largest_id()) + int64_t{1};
  special_.resize(static_cast<size_t>(vocab_size_));
  for (const AddedToken& token : parts_.added) {
    if (token.special) special_[static_cast<size_t>(token.id)] = true;
  }
}

HfTokenizer::~HfTokenizer() = default;

std::unique_ptr<HfTokenizer::Workspace> HfTokenizer::take_workspace() const {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto work = std::move(idle_.back());
      idle_.pop_back();
      return work;
    }
  }
  auto work = std::make_unique<Workspace>();
  work->model = parts_.model->make_scratch();
  return work;
}

std::vector<int32_t> HfTokenizer::encode(std::string_view text,
                                         const EncodeOptions& options) const {
  if (const size_t at = first_invalid_utf8(text); at != std::string_view::npos)
    bad_input("the text is not valid UTF-8 at byte {}", at);
  std::unique_ptr<Workspace> work = take_workspace();
  work->allow_special = options.allow_special;
  work->ids.clear();
  if (options.add_special_tokens) work->ids = parts_.frame.before;
  raw_.split(text, options.allow_special, [&](TextPart part) {
    if (part.id >= 0) {
      work->ids.push_back(part.id);
    } else {
      encode_part(part.text, part.text.data() == text.data(), *work);
    }
  });
  if (options.add_special_tokens)
    work->ids.insert(work->ids.end(), parts_.frame.after.begin(), parts_.frame.after.end());
  std::vector<int32_t> ids = work->ids;
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(work));
  return ids;
}

void HfTokenizer::encode_part(std::string_view text, bool at_start, Workspace& work) const {
  if (parts_.normalizer == nullptr) return encode_normalized(text, at_start, work);
  std::string normalized(text);
  parts_.normalizer->apply(normalized, work.regex);
  encode_normalized(normalized, at_start, work);
}

void HfTokenizer::encode_normalized(std::string_view text, bool at_start, Workspace& work) const {
  const auto to_model = [&](Piece piece) {
    parts_.model->encode(piece.text, *work.model, work.ids);
  };
  normalized_.split(text, work.allow_special, [&](TextPart part) {
    if (part.id >= 0) {
      work.ids.push_back(part.id);
      return;
    }
    const Piece piece{part.text, at_start && part.text.data() == text.data()};
    if (parts_.pre_tokenizer.steps == nullptr) return to_model(piece);
    parts_.pre_tokenizer.steps->split(piece, work.regex, to_model);
  });
}

std::string HfTokenizer::decode(const std::vector<int32_t>& ids, bool skip_special) const {
  HfDetokenizer detokenizer(*this, skip_special);
  std::string text;
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab_size_)
      bad_input("id {} is outside the vocabulary; expected 0 to {}", id, vocab_size_ - 1);
    detokenizer.push(id, text);
  }
  return text + detokenizer.finish();
}

std::unique_ptr<Detokenizer> HfTokenizer::detokenizer(bool skip_special) const {
  return std::make_unique<HfDetokenizer>(*this, skip_special);
}

std::optional<int32_t> HfTokenizer::token_to_id(std::string_view token) const {
  int32_t id = added_.find(token);
  if (id < 0) id = parts_.vocabulary->find(token);
  if (id < 0) return std::nullopt;
  return id;
}

bool HfTokenizer::is_special(int32_t id) const {
  return id >= 0 && id < vocab_size_ && special_[static_cast<size_t>(id)];
}

std::optional<std::string_view> HfTokenizer::token(int32_t id) const {
  if (added_.has(id)) return added_.token(id);
  if (parts_.vocabulary->has(id)) return parts_.vocabulary->token(id);
  return std::nullopt;
}

}  // namespace tandem
