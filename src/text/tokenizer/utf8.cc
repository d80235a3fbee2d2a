#include "text/tokenizer/utf8.h"

#include <cstring>

namespace tandem {

Utf8Char utf8_before(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xc0u) == 0x80u) --at;
  return utf8_at(text, at);
}

void append_utf8(std::string& out, char32_t code) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0u | (code >> 6));
    put(0x80u | (code & 0x3fu));
  } else if (code < 0x10000) {
    put(0xe0u | (code >> 12));
    put(0x80u | ((code >> 6) & 0x3fu));
    put(0x80u | (code & 0x3fu));
  } else {
    put(0xf0u | (code >> 18));
    put(0x80u | ((code >> 12) & 0x3fu));
    put(0x80u | ((code >> 6) & 0x3fu));
    put(0x80u | (code & 0x3fu));
  }
}

Utf8Step utf8_step(std::string_view text, size_t at) {
  using Kind = Utf8Step::Kind;
  const auto lead = static_cast<uint8_t>(text[at]);
  if (lead < 0x80) return {Kind::kCharacter, 1};
  if (lead < 0xc2 || lead > 0xf4) return {Kind::kInvalid, 1};
  const uint32_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // The second byte's range excludes overlong forms, surrogates and what lies above U+10FFFF.
  uint8_t low = 0x80;
  uint8_t high = 0xbf;
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f;
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;
  for (uint32_t i = 1; i < size; ++i) {
    if (at + i >= text.size()) return {Kind::kCutOff, i};
    const auto byte = static_cast<uint8_t>(text[at + i]);
    if (byte < low || byte > high) return {Kind::kInvalid, i};
    low = 0x80;
    high = 0xbf;
  }
  return {Kind::kCharacter, size};
}

size_t first_invalid_utf8(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    uint64_t eight = 0;
    if (text.size() - at >= 8) {
      std::memcpy(&eight, text.data() + at, 8);
      if ((eight & 0x8080808080808080u) == 0) {
        at += 8;
        continue;
      }
    }
    const Utf8Step step = utf8_step(text, at);
    if (step.kind != Utf8Step::Kind::kCharacter) return at;
    at += step.size;
  }
  return std::string_view::npos;
}

void Utf8Stream::push(std::string_view bytes, std::string& out) {
  if (!rest_.empty()) {
    rest_.append(bytes);
    bytes = rest_;
  }
  size_t at = 0;
  while (at < bytes.size()) {
    const Utf8Step step = utf8_step(bytes, at);
    if (step.kind == Utf8Step::Kind::kCutOff) break;
    if (step.kind == Utf8Step::Kind::kCharacter) {
      out.append(bytes.substr(at, step.size));
    } else {
      out.append(kReplacement);
    }
    at += step.size;
  }
  rest_ = std::string(bytes.substr(at));  // at most 3 bytes
}

void Utf8Stream::finish(std::string& out) {
  if (!rest_.empty()) out.append(kReplacement);
  rest_.clear();
}

}  // namespace tandem
