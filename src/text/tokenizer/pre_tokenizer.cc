#include "text/tokenizer/pre_tokenizer.h"

#include <vector>

#include "base/check.h"
#include "text/tokenizer/byte_letters.h"
#include "text/tokenizer/metaspace.h"
#include "text/tokenizer/split.h"
#include "text/tokenizer/unicode.h"

namespace tandem {
namespace {

/// GPT-2's pattern, which ByteLevel applies unless told otherwise.
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class SequencePreTokenizer : public PreTokenizer {
 public:
  explicit SequencePreTokenizer(std::vector<std::unique_ptr<PreTokenizer>> steps)
      : steps_(std::move(steps)) {}
  void split(Piece piece, RegexScratch& scratch, EmitPiece emit) const override {
    run(0, piece, scratch, emit);
  }

 private:
  void run(size_t step, Piece piece, RegexScratch& scratch, EmitPiece emit) const {
    if (step == steps_.size()) return emit(piece);
    steps_[step]->split(piece, scratch, [&](Piece part) { run(step + 1, part, scratch, emit); });
  }
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

class SplitPreTokenizer : public PreTokenizer {
 public:
  SplitPreTokenizer(Regex regex, SplitBehavior behavior, bool invert)
      : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {}
  void split(Piece piece, RegexScratch& scratch, EmitPiece emit) const override {
    split_at(
        piece, behavior_,
        [&](EmitStretch give) {
          find_matches(regex_, piece.text, scratch, [&](Stretch s) {
            give({s.begin, s.end, s.match != invert_});
          });
        },
        emit);
  }

 private:
  Regex regex_;
  SplitBehavior behavior_;
  bool invert_;
};

/// Cuts at every character of one class.
class ClassPreTokenizer : public PreTokenizer {
 public:
  ClassPreTokenizer(bool (*is_member)(char32_t), SplitBehavior behavior)
      : is_member_(is_member), behavior_(behavior) {}
  void split(Piece piece, RegexScratch&, EmitPiece emit) const override {
    split_at(
        piece, behavior_, [&](EmitStretch give) { stretches(piece.text, give); }, emit);
  }

 private:
  void stretches(std::string_view text, EmitStretch give) const {
    size_t done = 0;
    for (size_t at = 0; at < text.size();) {
      const Utf8Char c = utf8_at(text, at);
      if (is_member_(c.code)) {
        if (done < at) give({done, at, false});
        give({at, at + c.size, true});
        done = at + c.size;
      }
      at += c.size;
    }
    if (done < text.size()) give({done, text.size(), false});
  }
  bool (*is_member_)(char32_t);
  SplitBehavior behavior_;
};

/// Runs of word characters and runs of other characters but white space, which is dropped.
class WhitespacePreTokenizer : public PreTokenizer {
 public:
  void split(Piece piece, RegexScratch&, EmitPiece emit) const override {
    enum class Kind { kSpace, kWord, kOther };
    Kind last = Kind::kSpace;
    size_t done = 0;
    const auto flush = [&](size_t end) {
      if (last != Kind::kSpace)
        emit({piece.text.substr(done, end - done), piece.at_start && done == 0});
    };
    for (size_t at = 0; at < piece.text.size();) {
      const Utf8Char c = utf8_at(piece.text, at);
      const Kind kind = is_word(c.code)          ? Kind::kWord
                        : is_white_space(c.code) ? Kind::kSpace
                                                 : Kind::kOther;
      if (kind != last) {
        flush(at);
        done = at;
        last = kind;
      }
      at += c.size;
    }
    flush(piece.text.size());
  }
};

/// ByteLevel but for its last act, the spelling in byte letters.
class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, std::optional<Regex> regex)
      : add_prefix_space_(add_prefix_space), regex_(std::move(regex)) {}
  void split(Piece piece, RegexScratch& scratch, EmitPiece emit) const override {
    std::string prefixed;
    if (add_prefix_space_ && !piece.text.starts_with(' ')) {
      prefixed = " ";
      prefixed.append(piece.text);
      piece.text = prefixed;
    }
    if (!regex_) return emit(piece);
    split_at(
        piece, SplitBehavior::kIsolated,
        [&](EmitStretch give) { find_matches(*regex_, piece.text, scratch, give); }, emit);
  }

 private:
  bool add_prefix_space_;
  std::optional<Regex> regex_;
};

/// Spells each piece in byte letters; only needed where another step follows.
class LettersPreTokenizer : public PreTokenizer {
 public:
  void split(Piece piece, RegexScratch&, EmitPiece emit) const override {
    const std::string letters = to_byte_letters(piece.text);
    emit({letters, piece.at_start});
  }
};

using Steps = std::vector<std::unique_ptr<PreTokenizer>>;

void add_byte_level(const JsonReader& reader, Steps& steps) {
  std::optional<Regex> regex;
  if (reader.boolean_or("use_regex", true))
    regex = Regex::compile(kGpt2Pattern, reader.where("use_regex"));
  const bool prefix = reader.boolean_or("add_prefix_space", true);
  if (prefix || regex)
    steps.push_back(std::make_unique<ByteLevelPreTokenizer>(prefix, std::move(regex)));
  steps.push_back(std::make_unique<LettersPreTokenizer>());
}

std::unique_ptr<PreTokenizer> make_delimiter_split(const JsonReader& reader) {
  std::string delimiter;
  append_utf8(delimiter, parse_character(reader, "delimiter"));
  return std::make_unique<SplitPreTokenizer>(Regex::literal(delimiter, reader.where("delimiter")),
                                             SplitBehavior::kRemoved, false);
}

/// A pre-tokenizer of one step; nullptr when the type is unknown.
std::unique_ptr<PreTokenizer> make_simple(const std::string& type, const JsonReader& reader) {
  if (type == "Split") {
    return std::make_unique<SplitPreTokenizer>(parse_pattern(reader, "pattern").regex,
                                               parse_split_behavior(reader, "behavior"),
                                               reader.boolean_or("invert", false));
  }
  if (type == "Digits") {
    return std::make_unique<ClassPreTokenizer>(
        is_number, reader.boolean_or("individual_digits", false) ? SplitBehavior::kIsolated
                                                                 : SplitBehavior::kContiguous);
  }
  if (type == "Punctuation") {
    return std::make_unique<ClassPreTokenizer>(
        is_punctuation, reader.has("behavior") ? parse_split_behavior(reader, "behavior")
                                               : SplitBehavior::kIsolated);
  }
  if (type == "WhitespaceSplit")
    return std::make_unique<ClassPreTokenizer>(is_white_space, SplitBehavior::kRemoved);
  if (type == "Whitespace") return std::make_unique<WhitespacePreTokenizer>();
  if (type == "CharDelimiterSplit") return make_delimiter_split(reader);
  if (type == "Metaspace") return make_metaspace(reader);
  return nullptr;
}

void add_steps(const Json& json, const std::string& name, const std::string& path, Steps& steps) {
  const JsonReader reader(json, name, path);
  const std::string& type = reader.string("type");
  if (type == "Sequence") {
    size_t index = 0;
    for (const Json& item : reader.array("pretokenizers"))
      add_steps(item, name, element_path(path, "pretokenizers", index++), steps);
    return;
  }
  if (type == "ByteLevel") return add_byte_level(reader, steps);
  auto step = make_simple(type, reader);
  if (step == nullptr) {
    unsupported(
        "{} is \"{}\"; known pre-tokenizers: Sequence, Split, ByteLevel, Digits, Metaspace, "
        "Whitespace, WhitespaceSplit, Punctuation, CharDelimiterSplit",
        reader.where("type"), type);
  }
  steps.push_back(std::move(step));
}

}  // namespace

PreTokenizerSpec parse_pre_tokenizer(const Json& json, const std::string& name) {
  PreTokenizerSpec spec;
  if (json.is_null()) return spec;
  Steps steps;
  add_steps(json, name, "pre_tokenizer", steps);
  if (!steps.empty() && dynamic_cast<LettersPreTokenizer*>(steps.back().get()) != nullptr) {
    spec.byte_level = true;
    steps.pop_back();
  }
  if (steps.size() == 1) {
    spec.steps = std::move(steps.front());
  } else if (!steps.empty()) {
    spec.steps = std::make_unique<SequencePreTokenizer>(std::move(steps));
  }
  return spec;
}

}  // namespace tandem
