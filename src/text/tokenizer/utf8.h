// UTF-8: checking, walking, and turning arbitrary bytes into text as they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tandem {

/// The encoding of U+FFFD, which stands for bytes that are no character.
inline constexpr std::string_view kReplacement = "\xef\xbf\xbd";

struct Utf8Char {
  char32_t code = 0;
  uint32_t size = 0;  ///< in bytes
};

/// The character that begins at text[at]. The text must be valid and at < text.size().
inline Utf8Char utf8_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const char32_t lead = byte(0);
  const auto tail = [&](size_t i) { return static_cast<char32_t>(byte(i) & 0x3fu); };
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xe0) return {((lead & 0x1fu) << 6) | tail(1), 2};
  if (lead < 0xf0) return {((lead & 0x0fu) << 12) | (tail(1) << 6) | tail(2), 3};
  return {((lead & 0x07u) << 18) | (tail(1) << 12) | (tail(2) << 6) | tail(3), 4};
}

/// The character that ends before text[end]. The text must be valid and end > 0.
Utf8Char utf8_before(std::string_view text, size_t end);

void append_utf8(std::string& out, char32_t code);

/// What the bytes at text[at] are: a whole character, the beginning of one that the text cuts off,
/// or an error. `size`: bytes of the character, of the cut-off beginning, or of the longest prefix
/// that a character could have begun with (at least 1), which one U+FFFD replaces (Unicode 3.9).
struct Utf8Step {
  enum class Kind { kCharacter, kCutOff, kInvalid } kind;
  uint32_t size;
};
Utf8Step utf8_step(std::string_view text, size_t at);

/// Byte offset of the first thing that is not UTF-8, or npos.
size_t first_invalid_utf8(std::string_view text);

/// Decodes a stream of bytes: every wrong sequence becomes one U+FFFD, a character that is not
/// complete yet is kept back.
class Utf8Stream {
 public:
  /// Appends to `out` the text that these bytes make certain.
  void push(std::string_view bytes, std::string& out);
  void finish(std::string& out);

 private:
  std::string rest_;
};

}  // namespace tandem
