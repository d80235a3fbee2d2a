#include "text/tokenizer/normalizer.h"

#include <vector>

#include "base/check.h"
#include "text/tokenizer/byte_letters.h"
#include "text/tokenizer/component.h"
#include "text/tokenizer/unicode.h"

namespace tandem {
namespace {

class SequenceNormalizer : public Normalizer {
 public:
  explicit SequenceNormalizer(std::vector<std::unique_ptr<Normalizer>> steps)
      : steps_(std::move(steps)) {}
  void apply(std::string& text, RegexScratch& scratch) const override {
    for (const auto& step : steps_) step->apply(text, scratch);
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

/// A normalizer that is one function of the text.
template <typename Function>
class FunctionNormalizer : public Normalizer {
 public:
  explicit FunctionNormalizer(Function function) : function_(std::move(function)) {}
  void apply(std::string& text, RegexScratch& scratch) const override { function_(text, scratch); }

 private:
  Function function_;
};

template <typename Function>
std::unique_ptr<Normalizer> make(Function function) {
  return std::make_unique<FunctionNormalizer<Function>>(std::move(function));
}

std::unique_ptr<Normalizer> make_form(NormalForm form) {
  return make([form](std::string& text, RegexScratch&) { text = normalize(form, text); });
}

std::unique_ptr<Normalizer> make_prepend(std::string prefix) {
  return make([prefix = std::move(prefix)](std::string& text, RegexScratch&) {
    if (!text.empty()) text.insert(0, prefix);
  });
}

std::unique_ptr<Normalizer> make_replace(const JsonReader& reader) {
  return make([pattern = parse_pattern(reader, "pattern"), content = reader.string("content")](
                  std::string& text, RegexScratch& scratch) {
    text = replace_all(text, pattern, content, scratch);
  });
}

std::unique_ptr<Normalizer> make_strip(bool left, bool right) {
  return make([left, right](std::string& text, RegexScratch&) {
    size_t begin = 0;
    size_t end = text.size();
    while (left && begin < end && is_white_space(utf8_at(text, begin).code))
      begin += utf8_at(text, begin).size;
    while (right && begin < end && is_white_space(utf8_before(text, end).code))
      end -= utf8_before(text, end).size;
    text = text.substr(begin, end - begin);
  });
}

void strip_accents(std::string& text, RegexScratch&) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    if (!is_mark(c.code)) out.append(text, at, c.size);
    at += c.size;
  }
  text = std::move(out);
}

}  // namespace

std::unique_ptr<Normalizer> parse_normalizer(const Json& json, const std::string& name,
                                             const std::string& path) {
  if (json.is_null()) return nullptr;
  const JsonReader reader(json, name, path);
  const std::string& type = reader.string("type");
  if (type == "Sequence") {
    std::vector<std::unique_ptr<Normalizer>> steps;
    for (const Json& item : reader.array("normalizers")) {
      auto step = parse_normalizer(item, name, element_path(path, "normalizers", steps.size()));
      if (step != nullptr) steps.push_back(std::move(step));
    }
    return std::make_unique<SequenceNormalizer>(std::move(steps));
  }
  if (type == "NFC") return make_form(NormalForm::kNfc);
  if (type == "NFD") return make_form(NormalForm::kNfd);
  if (type == "NFKC") return make_form(NormalForm::kNfkc);
  if (type == "NFKD") return make_form(NormalForm::kNfkd);
  if (type == "Prepend") return make_prepend(reader.string("prepend"));
  if (type == "Replace") return make_replace(reader);
  if (type == "Strip")
    return make_strip(reader.boolean_or("strip_left", true),
                      reader.boolean_or("strip_right", true));
  if (type == "Lowercase")
    return make([](std::string& text, RegexScratch&) { text = lowercase(text); });
  if (type == "StripAccents") return make(strip_accents);
  if (type == "ByteLevel")
    return make([](std::string& text, RegexScratch&) { text = to_byte_letters(text); });
  unsupported(
      "{} is \"{}\"; known normalizers: Sequence, NFC, NFD, NFKC, NFKD, Prepend, Replace, Strip, "
      "Lowercase, StripAccents, ByteLevel",
      reader.where("type"), type);
}

}  // namespace tandem
