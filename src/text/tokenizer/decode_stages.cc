#include "text/tokenizer/decode_stages.h"

#include "text/tokenizer/byte_letters.h"
#include "text/tokenizer/utf8.h"

namespace tandem {
namespace {

class JoinWithSpaces : public DecodeStage {
 public:
  void push(std::string_view token, EmitText emit) override {
    if (!first_) emit(" ");
    first_ = false;
    emit(token);
  }

 private:
  bool first_ = true;
};

class ByteLevelStage : public DecodeStage {
 public:
  void push(std::string_view token, EmitText emit) override {
    bytes_.clear();
    if (!append_bytes_of_letters(token, bytes_)) bytes_ = token;
    text_.clear();
    stream_.push(bytes_, text_);
    if (!text_.empty()) emit(text_);
  }
  void finish(EmitText emit) override {
    text_.clear();
    stream_.finish(text_);
    if (!text_.empty()) emit(text_);
  }

 private:
  Utf8Stream stream_;
  std::string bytes_;
  std::string text_;
};

/// The byte of <0x..>, or -1.
int byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  int value = 0;
  for (const char c : token.substr(3, 2)) {
    const size_t digit = std::string_view("0123456789abcdef0123456789ABCDEF").find(c);
    if (digit == std::string_view::npos) return -1;
    value = value * 16 + static_cast<int>(digit % 16);
  }
  return value;
}

class ByteFallbackStage : public DecodeStage {
 public:
  void push(std::string_view token, EmitText emit) override {
    const int byte = byte_of_token(token);
    if (byte < 0) {
      finish(emit);
      emit(token);
      return;
    }
    ++pending_;
    if (!broken_) {
      run_.push_back(static_cast<char>(byte));
      broken_ = is_broken();
    }
    // A good run may still go wrong, and all its bytes with it; a wrong one stays wrong.
    if (broken_) give_replacements(emit);
  }
  void finish(EmitText emit) override {
    if (run_.empty()) return;
    if (!broken_ && checked_ == run_.size()) {
      emit(run_);
    } else {
      give_replacements(emit);
    }
    run_.clear();
    pending_ = 0;
    checked_ = 0;
    broken_ = false;
  }

 private:
  /// Whether no further bytes can make the run UTF-8.
  bool is_broken() {
    while (checked_ < run_.size()) {
      const Utf8Step step = utf8_step(run_, checked_);
      if (step.kind != Utf8Step::Kind::kCharacter) return step.kind == Utf8Step::Kind::kInvalid;
      checked_ += step.size;
    }
    return false;
  }
  void give_replacements(EmitText emit) {
    for (; pending_ > 0; --pending_) emit(kReplacement);
  }

  std::string run_;
  size_t pending_ = 0;  // bytes of the run that have given no text yet
  size_t checked_ = 0;  // this much of the run is whole characters
  bool broken_ = false;
};

class ReplaceStage : public DecodeStage {
 public:
  ReplaceStage(std::shared_ptr<const Pattern> pattern, std::string content, bool whole_text)
      : pattern_(std::move(pattern)), content_(std::move(content)), whole_text_(whole_text) {}
  void push(std::string_view token, EmitText emit) override {
    if (whole_text_) {
      text_.append(token);
    } else {
      emit(replace_all(token, *pattern_, content_, scratch_));
    }
  }
  void finish(EmitText emit) override {
    if (whole_text_) emit(replace_all(text_, *pattern_, content_, scratch_));
    text_.clear();
  }

 private:
  std::shared_ptr<const Pattern> pattern_;
  std::string content_;
  bool whole_text_;
  std::string text_;
  RegexScratch scratch_;
};

/// Takes up to `most` copies of `character` from the front of `text`; returns how many.
size_t strip_front(std::string_view& text, const std::string& character, size_t most) {
  size_t count = 0;
  for (; count < most && text.starts_with(character); ++count) text.remove_prefix(character.size());
  return count;
}

size_t strip_back(std::string_view& text, const std::string& character, size_t most) {
  size_t count = 0;
  for (; count < most && text.ends_with(character); ++count) text.remove_suffix(character.size());
  return count;
}

class StripStage : public DecodeStage {
 public:
  explicit StripStage(StripRule rule) : rule_(std::move(rule)) {}
  void push(std::string_view token, EmitText emit) override {
    strip_front(token, rule_.character, rule_.start);
    strip_back(token, rule_.character, rule_.stop);
    emit(token);
  }

 private:
  StripRule rule_;
};

class StripTextStage : public DecodeStage {
 public:
  explicit StripTextStage(StripRule rule) : rule_(std::move(rule)), left_(rule_.start) {}
  void push(std::string_view text, EmitText emit) override {
    left_ -= strip_front(text, rule_.character, left_);
    if (text.empty()) return;
    left_ = 0;
    if (rule_.stop == 0) return emit(text);
    const size_t all = text.size();
    const size_t back = strip_back(text, rule_.character, rule_.stop);
    if (back * rule_.character.size() < all) give_held(0, emit);
    if (!text.empty()) emit(text);
    held_ += back;
    give_held(rule_.stop, emit);
  }
  // What is held at the end of the stream is what is stripped.

 private:
  /// Copies of the character that can no longer be among the last ones.
  void give_held(size_t keep, EmitText emit) {
    for (; held_ > keep; --held_) emit(rule_.character);
  }
  StripRule rule_;
  size_t left_;
  size_t held_ = 0;
};

class MetaspaceStage : public DecodeStage {
 public:
  MetaspaceStage(std::string replacement, bool drop_first)
      : replacement_(std::move(replacement)), drop_(drop_first) {}
  void push(std::string_view token, EmitText emit) override {
    std::string text;
    while (!token.empty()) {
      if (token.starts_with(replacement_)) {
        if (!drop_) text += ' ';
        token.remove_prefix(replacement_.size());
      } else {
        const size_t size = utf8_at(token, 0).size;
        text.append(token.substr(0, size));
        token.remove_prefix(size);
      }
    }
    drop_ = false;
    emit(text);
  }

 private:
  std::string replacement_;
  bool drop_;
};

}  // namespace

std::unique_ptr<DecodeStage> join_with_spaces() { return std::make_unique<JoinWithSpaces>(); }
std::unique_ptr<DecodeStage> byte_level_stage() { return std::make_unique<ByteLevelStage>(); }
std::unique_ptr<DecodeStage> byte_fallback_stage() { return std::make_unique<ByteFallbackStage>(); }
std::unique_ptr<DecodeStage> replace_stage(std::shared_ptr<const Pattern> pattern,
                                           std::string content) {
  return std::make_unique<ReplaceStage>(std::move(pattern), std::move(content), false);
}
std::unique_ptr<DecodeStage> replace_in_text_stage(std::shared_ptr<const Pattern> pattern,
                                                   std::string content) {
  return std::make_unique<ReplaceStage>(std::move(pattern), std::move(content), true);
}
std::unique_ptr<DecodeStage> strip_stage(StripRule rule) {
  return std::make_unique<StripStage>(std::move(rule));
}
std::unique_ptr<DecodeStage> strip_in_text_stage(StripRule rule) {
  return std::make_unique<StripTextStage>(std::move(rule));
}
std::unique_ptr<DecodeStage> metaspace_stage(std::string replacement, bool drop_first) {
  return std::make_unique<MetaspaceStage>(std::move(replacement), drop_first);
}

}  // namespace tandem
