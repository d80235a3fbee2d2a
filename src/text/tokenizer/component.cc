#include "text/tokenizer/component.h"

#include "base/check.h"

namespace tandem {
namespace {

std::string replace_literal(std::string_view text, std::string_view what,
                            std::string_view content) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  size_t at = 0;
  while (true) {
    const size_t found = text.find(what, at);
    if (found == std::string_view::npos) break;
    out.append(text.substr(at, found - at)).append(content);
    at = found + what.size();
  }
  out.append(text.substr(at));
  return out;
}

}  // namespace

Pattern parse_pattern(const JsonReader& reader, std::string_view key) {
  const JsonReader pattern = reader.object(key);
  if (pattern.has("String")) {
    const std::string& text = pattern.string("String");
    return {Regex::literal(text, pattern.where("String")), text};
  }
  if (pattern.has("Regex")) {
    return {Regex::compile(pattern.string("Regex"), pattern.where("Regex")), std::nullopt};
  }
  bad_input("{} has neither \"String\" nor \"Regex\"", reader.where(key));
}

char32_t parse_character(const JsonReader& reader, std::string_view key) {
  const std::string& text = reader.string(key);
  if (text.empty() || utf8_at(text, 0).size != text.size())
    bad_input("{} is \"{}\"; one character is expected", reader.where(key), text);
  return utf8_at(text, 0).code;
}

std::string element_path(const std::string& path, std::string_view key, size_t index) {
  return fmt::format("{}.{}[{}]", path, key, index);
}

std::string replace_all(std::string_view text, const Pattern& pattern, std::string_view content,
                        RegexScratch& scratch) {
  if (pattern.literal && !pattern.literal->empty())
    return replace_literal(text, *pattern.literal, content);
  std::string out;
  size_t done = 0;
  size_t from = 0;
  TextRange match;
  while (from <= text.size() && pattern.regex.find(text, from, scratch, match)) {
    out.append(text.substr(done, match.begin - done)).append(content);
    done = match.end;
    from = match.end;
    if (match.begin == match.end) {  // an empty match: go on behind the next character
      if (from == text.size()) break;
      from += utf8_at(text, from).size;
    }
  }
  out.append(text.substr(done));
  return out;
}

}  // namespace tandem
