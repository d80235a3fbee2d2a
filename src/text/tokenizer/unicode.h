// Character classes and normalization forms, over utf8proc.
#pragma once

#include <string>
#include <string_view>

namespace tandem {

/// The White_Space property.
bool is_white_space(char32_t code);
/// \w of Unicode regular expressions (UTS 18, Annex C): alphabetic characters, marks, decimal
/// digits, connectors, joiners.
bool is_word(char32_t code);
/// General categories Nd, Nl, No.
bool is_number(char32_t code);
/// ASCII punctuation and general categories P*.
bool is_punctuation(char32_t code);
/// General categories Mn, Mc, Me.
bool is_mark(char32_t code);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
/// `text` must be valid UTF-8.
std::string normalize(NormalForm form, std::string_view text);
/// Lowercases every character by itself (no context: a final sigma is like any other).
std::string lowercase(std::string_view text);

}  // namespace tandem
