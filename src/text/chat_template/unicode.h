// Characters of UTF-8 strings as Python's str sees them. All strings here are valid UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::jinja {

/// Bytes of the character that begins at `at`; at least 1, never past the end.
size_t sequence_length(std::string_view text, size_t at);
int64_t count_characters(std::string_view text);
std::u32string to_code_points(std::string_view text);
void append_utf8(std::string& text, char32_t code_point);
std::string to_utf8(std::u32string_view code_points);

bool is_space(char32_t c);  ///< str.isspace
bool is_alphabetic(char32_t c);
bool is_decimal(char32_t c);
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_cased(char32_t c);
bool is_printable(char32_t c);  ///< what repr() shows as it is

// str.upper(), lower(), title(), capitalize(), swapcase() with Unicode's special casing.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title(std::string_view text);
std::string to_capitalized(std::string_view text);
std::string swap_case(std::string_view text);

/// [begin, end) of the text without white space (strip set empty) or the characters of `chars` at
/// its sides.
enum class Sides { kLeft = 1, kRight = 2, kBoth = 3 };
std::string_view strip(std::string_view text, Sides sides);
std::string_view strip(std::string_view text, Sides sides, std::string_view chars);

}  // namespace tandem::jinja
