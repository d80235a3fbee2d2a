#include "text/tokenizer/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/check.h"
#include "text/tokenizer/utf8.h"

namespace tandem {
namespace {

utf8proc_category_t category(char32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code));
}

bool is_letter_or_mark(utf8proc_category_t c) {
  return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_ME;
}

std::string run_utf8proc(NormalForm form, std::string_view text) {
  const bool compose = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  const bool compat = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  const auto options = static_cast<utf8proc_option_t>(
      UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
      (compat ? UTF8PROC_COMPAT : 0));
  utf8proc_uint8_t* result = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &result, options);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, &std::free);
  if (size < 0)
    fail(ErrorCode::kResource, "Unicode normalization failed: {}", utf8proc_errmsg(size));
  return {reinterpret_cast<const char*>(result), static_cast<size_t>(size)};
}

/// Blocks with characters of combining class 0 that compose with the one before (Indic vowel signs,
/// Myanmar, Hangul jamo, Balinese, and the Brahmic scripts of plane 1).
bool may_compose_backwards(char32_t c) {
  return (c >= 0x0900 && c < 0x0e00) || (c >= 0x1000 && c < 0x1200) ||
         (c >= 0x1b00 && c < 0x1b80) || (c >= 0x11000 && c < 0x12000);
}

/// True: NFC leaves the character as it is and never joins it with the one before. False may be
/// wrong, and costs only time.
bool is_nfc_inert(char32_t c) {
  if (c < 0x300) return true;
  if ((c >= 0x3400 && c < 0xa000) || (c >= 0xac00 && c < 0xd7a4)) return true;  // Han, Hangul
  if (may_compose_backwards(c)) return false;
  const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  if (property->combining_class != 0) return false;
  // Kana, Cyrillic and Vietnamese letters that decompose compose again.
  if ((c >= 0x3041 && c < 0x3100) || (c >= 0x400 && c < 0x530) || (c >= 0x1e00 && c < 0x1f00))
    return true;
  return property->decomp_seqindex == UINT16_MAX || property->decomp_type != 0;
}

/// NFC of only those stretches that need it: a run of characters that are not inert, with the inert
/// one before it, which they may join.
std::string nfc(std::string_view text) {
  std::string out;
  size_t done = 0;    // text[0, done) is in `out`
  size_t before = 0;  // where the character before `at` begins
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Char c = utf8_at(text, at);
    if (is_nfc_inert(c.code)) {
      before = at;
      at += c.size;
      continue;
    }
    size_t end = at;
    while (end < text.size()) {
      const Utf8Char next = utf8_at(text, end);
      if (is_nfc_inert(next.code)) break;
      end += next.size;
    }
    out.append(text.substr(done, before - done));
    out.append(run_utf8proc(NormalForm::kNfc, text.substr(before, end - before)));
    done = before = at = end;
  }
  out.append(text.substr(done));
  return out;
}

}  // namespace

bool is_white_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_word(char32_t c) {
  const utf8proc_category_t k = category(c);
  if (is_letter_or_mark(k) || k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL ||
      k == UTF8PROC_CATEGORY_PC)
    return true;
  const bool joiner = c == 0x200c || c == 0x200d;
  const bool circled = c >= 0x24b6 && c <= 0x24e9;  // Other_Alphabetic
  const bool squared = (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
                       (c >= 0x1f170 && c <= 0x1f189);
  return joiner || circled || squared;
}

bool is_number(char32_t c) {
  const utf8proc_category_t k = category(c);
  return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

bool is_punctuation(char32_t c) {
  if (c < 0x80) return c > ' ' && c < 0x7f && !is_number(c) && !is_letter_or_mark(category(c));
  const utf8proc_category_t k = category(c);
  return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

bool is_mark(char32_t c) {
  const utf8proc_category_t k = category(c);
  return k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME;
}

std::string normalize(NormalForm form, std::string_view text) {
  if (form == NormalForm::kNfc) return nfc(text);
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; }))
    return std::string(text);
  return run_utf8proc(form, text);
}

std::string lowercase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    at += c.size;
    if (c.code == 0x130) {  // the only character whose lowercase form is two
      out.append("i\xcc\x87");
    } else {
      append_utf8(out,
                  static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c.code))));
    }
  }
  return out;
}

}  // namespace tandem
