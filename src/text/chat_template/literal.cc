#include "text/chat_template/literal.h"

#include <algorithm>
#include <cstdlib>

#include "text/chat_template/unicode.h"

namespace tandem::jinja {
namespace {

/// Digits of a base, single underscores between them.
size_t digits_at(std::string_view text, size_t at, std::string_view digits) {
  size_t end = at;
  while (end < text.size()) {
    if (digits.find(text[end]) != std::string_view::npos) {
      ++end;
    } else if (text[end] == '_' && end > at && end + 1 < text.size() &&
               digits.find(text[end + 1]) != std::string_view::npos) {
      end += 2;
    } else {
      break;
    }
  }
  return end - at;
}

constexpr std::string_view kDecimal = "0123456789";
constexpr std::string_view kHex = "0123456789abcdefABCDEF";

int base_of(std::string_view text) {
  if (text.size() < 2 || text[0] != '0') return 10;
  switch (text[1] | 0x20) {
    case 'x':
      return 16;
    case 'o':
      return 8;
    case 'b':
      return 2;
    default:
      return 10;
  }
}

int digit_value(char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

/// Length of ".5", "e10", ".5e-3" at `at`, or 0.
size_t fraction_at(std::string_view text, size_t at) {
  size_t end = at;
  if (end < text.size() && text[end] == '.') {
    const size_t n = digits_at(text, end + 1, kDecimal);
    if (n == 0) return 0;
    end += 1 + n;
  }
  if (end < text.size() && (text[end] | 0x20) == 'e') {
    size_t exponent = end + 1;
    if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-')) ++exponent;
    const size_t n = digits_at(text, exponent, kDecimal);
    if (n > 0) end = exponent + n;
  }
  return end - at;
}

class Unescaper {
 public:
  Unescaper(std::string_view text, const Runtime& rt) : text_(text), rt_(rt) {}

  std::string run() {
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c != '\\' || at_ >= text_.size()) {
        out_ += c;
      } else {
        escape(text_[at_++]);
      }
    }
    return std::move(out_);
  }

 private:
  void escape(char c) {
    static constexpr std::string_view kNames = "abfnrtv\\'\"";
    static constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\'\"";
    if (const size_t i = kNames.find(c); i != std::string_view::npos) {
      out_ += kValues[i];
    } else if (c == '\n') {
      return;  // a line that goes on
    } else if (c == 'x' || c == 'u' || c == 'U') {
      numeric(c == 'x' ? 2 : c == 'u' ? 4 : 8, 16);
    } else if (c >= '0' && c <= '7') {
      --at_;
      numeric(3, 8);
    } else {
      out_ += '\\';
      out_ += c;
    }
  }
  void numeric(size_t digits, int base) {
    const size_t begin = at_;
    char32_t value = 0;
    const std::string_view set = kHex.substr(0, base == 8 ? 8 : std::string_view::npos);
    while (at_ < text_.size() && at_ < begin + digits &&
           set.find(text_[at_]) != std::string_view::npos) {
      value =
          value * static_cast<char32_t>(base) + static_cast<char32_t>(digit_value(text_[at_++]));
    }
    const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    if ((base == 16 && at_ != begin + digits) || surrogate || value > 0x10FFFF) {
      rt_.fail("the escape \"\\{}\" in a string is no character",
               text_.substr(begin - 1, at_ - begin + 1));
    }
    append_utf8(out_, value);
  }

  std::string_view text_;
  const Runtime& rt_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

NumberText number_at(std::string_view text, size_t at, bool may_be_real) {
  const int base = base_of(text.substr(at, 2));
  if (base != 10) {
    const std::string_view digits = base == 16 ? kHex : kDecimal.substr(0, base == 8 ? 8 : 2);
    if (const size_t n = digits_at(text, at + 2, digits); n > 0) return {n + 2, false};
  }
  const size_t whole = digits_at(text, at, kDecimal);
  const size_t fraction = may_be_real ? fraction_at(text, at + whole) : 0;
  return {whole + fraction, fraction > 0};
}

Int parse_integer(const std::string& text, const Runtime& rt) {
  const int base = base_of(text);
  Int value = 0;
  for (size_t i = base == 10 ? 0 : 2; i < text.size(); ++i) {
    if (text[i] == '_') continue;
    if (__builtin_mul_overflow(value, Int{base}, &value) ||
        __builtin_add_overflow(value, Int{digit_value(text[i])}, &value)) {
      rt.fail("the integer {} does not fit in 128 bits", text.substr(0, 60));
    }
  }
  return value;
}

double parse_real(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
  return std::strtod(text.c_str(), nullptr);
}

std::string unescaped(std::string_view text, const Runtime& rt) {
  return Unescaper(text, rt).run();
}

}  // namespace tandem::jinja
