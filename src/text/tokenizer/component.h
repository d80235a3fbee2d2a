// What the parsers of tokenizer.json's components share.
#pragma once

#include <optional>
#include <string>

#include "json/json.h"
#include "text/tokenizer/regex.h"
#include "text/tokenizer/utf8.h"

namespace tandem {

/// {"String": text} or {"Regex": pattern} under `key`.
struct Pattern {
  Regex regex;
  std::optional<std::string> literal;  ///< the text when it is one
};
Pattern parse_pattern(const JsonReader& reader, std::string_view key);

/// A string of exactly one character under `key`.
char32_t parse_character(const JsonReader& reader, std::string_view key);

/// "pre_tokenizer.pretokenizers[3]"
std::string element_path(const std::string& path, std::string_view key, size_t index);

/// All matches replaced, left to right, without looking at what was put in.
std::string replace_all(std::string_view text, const Pattern& pattern, std::string_view content,
                        RegexScratch& scratch);

}  // namespace tandem
