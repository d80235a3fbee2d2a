#include "text/tokenizer/metaspace.h"

#include "base/check.h"
#include "text/tokenizer/component.h"
#include "text/tokenizer/split.h"

namespace tandem {
namespace {

class MetaspacePreTokenizer : public PreTokenizer {
 public:
  MetaspacePreTokenizer(MetaspaceOptions options, Pattern space, Regex replacement)
      : options_(std::move(options)), space_(std::move(space)), mark_(std::move(replacement)) {}

  void split(Piece piece, RegexScratch& scratch, EmitPiece emit) const override {
    std::string text = replace_all(piece.text, space_, options_.replacement, scratch);
    const bool wanted = options_.prepend == PrependScheme::kAlways ||
                        (options_.prepend == PrependScheme::kFirst && piece.at_start);
    if (wanted && !text.starts_with(options_.replacement)) text.insert(0, options_.replacement);
    const Piece whole{text, piece.at_start};
    if (!options_.split) return emit(whole);
    split_at(
        whole, SplitBehavior::kMergedWithNext,
        [&](EmitStretch give) { find_matches(mark_, whole.text, scratch, give); }, emit);
  }

 private:
  MetaspaceOptions options_;
  Pattern space_;
  Regex mark_;
};

}  // namespace

MetaspaceOptions parse_metaspace(const JsonReader& reader) {
  MetaspaceOptions options;
  append_utf8(options.replacement, parse_character(reader, "replacement"));
  options.split = reader.boolean_or("split", true);
  const std::string scheme = reader.string_or(
      "prepend_scheme", reader.boolean_or("add_prefix_space", true) ? "always" : "never");
  if (scheme == "always") {
    options.prepend = PrependScheme::kAlways;
  } else if (scheme == "first") {
    options.prepend = PrependScheme::kFirst;
  } else if (scheme == "never") {
    options.prepend = PrependScheme::kNever;
  } else {
    unsupported("{} is \"{}\"; expected always, first or never", reader.where("prepend_scheme"),
                scheme);
  }
  return options;
}

std::unique_ptr<PreTokenizer> make_metaspace(const JsonReader& reader) {
  MetaspaceOptions options = parse_metaspace(reader);
  const std::string where = reader.where("replacement");
  Regex mark = Regex::literal(options.replacement, where);
  return std::make_unique<MetaspacePreTokenizer>(
      std::move(options), Pattern{Regex::literal(" ", where), " "}, std::move(mark));
}

}  // namespace tandem
