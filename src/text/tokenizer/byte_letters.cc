#include "text/tokenizer/byte_letters.h"

#include <array>

#include "text/tokenizer/utf8.h"

namespace tandem {
namespace {

constexpr bool is_its_own_letter(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr auto kLetters = [] {
  std::array<uint16_t, 256> table{};
  uint16_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte)
    table[static_cast<size_t>(byte)] =
        is_its_own_letter(byte) ? static_cast<uint16_t>(byte) : next++;
  return table;
}();

constexpr auto kBytes = [] {
  std::array<int16_t, 0x144> table{};
  table.fill(-1);
  for (size_t byte = 0; byte < 256; ++byte) table[kLetters[byte]] = static_cast<int16_t>(byte);
  return table;
}();

}  // namespace

char32_t byte_letter(uint8_t byte) { return kLetters[byte]; }

int byte_of_letter(char32_t letter) { return letter < kBytes.size() ? kBytes[letter] : -1; }

std::string to_byte_letters(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) append_utf8(out, byte_letter(static_cast<uint8_t>(c)));
  return out;
}

bool append_bytes_of_letters(std::string_view letters, std::string& out) {
  const size_t before = out.size();
  for (size_t at = 0; at < letters.size();) {
    const Utf8Char c = utf8_at(letters, at);
    const int byte = byte_of_letter(c.code);
    if (byte < 0) {
      out.resize(before);
      return false;
    }
    out.push_back(static_cast<char>(byte));
    at += c.size;
  }
  return true;
}

}  // namespace tandem
