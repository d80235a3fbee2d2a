#include "text/tokenizer/regex_syntax.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace tandem {
namespace {

// \s is the White_Space property: PCRE2's own has U+180E too.
constexpr std::string_view kSpace =
    R"(\x09-\x0d\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kNotSpace =
    R"(\x00-\x08\x0e-\x1f\x21-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff})"
    R"(\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
// \w as Oniguruma has it: Alphabetic, marks, decimal digits, connectors, and Latin-1's other
// numbers.
constexpr std::string_view kWord =
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be}\x{24b6}-\x{24e9})"
    R"(\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";
constexpr std::string_view kHex = "0-9A-Fa-f";

class Rewriter {
 public:
  Rewriter(std::string_view pattern, const std::string& where) : in_(pattern), where_(where) {}

  std::string run() {
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '\\') {
        escape();
      } else if (in_class_) {
        class_character(c);
      } else {
        plain_character(c);
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    unsupported("{}: regular expression \"{}\": {} is not supported", where_, in_, what);
  }
  bool next_is(std::string_view text) const { return in_.substr(at_).starts_with(text); }

  void set(std::string_view members, bool complement) {
    if (in_class_) {
      if (complement) refuse("a complement such as \\W inside a character class");
      out_.append(members);
    } else {
      out_.append(complement ? "[^" : "[").append(members).append("]");
    }
    at_ += 2;
  }

  void escape() {
    if (at_ + 1 >= in_.size())
      bad_input("{}: regular expression \"{}\" ends in a backslash", where_, in_);
    switch (in_[at_ + 1]) {
      case 's':
        return set(kSpace, false);
      case 'S':
        return set(kNotSpace, false);
      case 'w':
        return set(kWord, false);
      case 'W':
        return set(kWord, true);
      case 'd':
        return set("\\p{Nd}", false);
      case 'D':
        return set("\\P{Nd}", false);
      case 'h':
        return set(kHex, false);
      case 'H':
        return set(kHex, true);
      case 'u':
        return code_unit();
      case 'p':
      case 'P':
      case 'x':
        return braced();
      case 'K':
      case 'G':
      case 'g':
      case 'k':
      case 'N':
      case 'O':
      case 'y':
      case 'Y':
      case 'C':
      case 'M':
      case 'c':
      case 'Q':
      case 'E':
      case 'R':
      case 'X':
        refuse(in_.substr(at_, 2));
      default:
        out_.append(in_.substr(at_, 2));
        at_ += 2;
    }
  }

  void braced() {  // \p{..}, \x{..}, or without braces
    size_t end = at_ + 2;
    if (end < in_.size() && in_[end] == '{') {
      end = in_.find('}', end);
      if (end == in_.npos) refuse("{ without }");
      ++end;
    }
    out_.append(in_.substr(at_, end - at_));
    at_ = end;
  }

  void code_unit() {  // \uHHHH
    const std::string_view digits = in_.substr(std::min(in_.size(), at_ + 2), 4);
    if (digits.size() != 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != digits.npos)
      refuse("\\u without four hexadecimal digits");
    out_.append("\\x{").append(digits).append("}");
    at_ += 6;
  }

  void class_character(char c) {
    if (c == '[') refuse("a character class inside another, or a POSIX one,");
    if (next_is("&&")) refuse("an intersection of character classes (&&)");
    if (c == ']') in_class_ = false;
    out_.push_back(c);
    ++at_;
  }

  void plain_character(char c) {
    if (c == '[') {
      in_class_ = true;
      out_.push_back(c);
      ++at_;
      if (next_is("^")) {
        out_.push_back('^');
        ++at_;
      }
      if (next_is("]")) refuse("a character class that begins with ]");
      return;
    }
    if (next_is("(*")) refuse("(*");
    if (next_is("(?")) return group();
    if (c == '}' && at_ + 1 < in_.size() && in_[at_ + 1] == '+') refuse("a + behind an interval");
    out_.push_back(c);
    ++at_;
  }

  void group() {
    constexpr std::array<std::string_view, 8> kKnown = {"(?:",  "(?=",  "(?!",  "(?>",
                                                        "(?<=", "(?<!", "(?i:", "(?i)"};
    for (const std::string_view opening : kKnown) {
      if (!next_is(opening)) continue;
      out_.append(opening);
      at_ += opening.size();
      return;
    }
    refuse(in_.substr(at_, 4));
  }

  std::string_view in_;
  const std::string& where_;
  std::string out_;
  size_t at_ = 0;
  bool in_class_ = false;
};

}  // namespace

std::string to_pcre2_syntax(std::string_view pattern, const std::string& where) {
  return Rewriter(pattern, where).run();
}

std::string quote_for_pcre2(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view(R"(\^$.|?*+()[]{}#-)").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace tandem
