#include "text/chat_template/lexer.h"

#include <algorithm>
#include <array>
#include <optional>

#include "text/chat_template/literal.h"
#include "text/chat_template/unicode.h"

namespace tandem::jinja {
namespace {

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string normalized(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      text += source[i];
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class Lexer {
 public:
  Lexer(std::string_view source, Runtime& rt) : text_(normalized(source)), rt_(rt) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) {
      const size_t tag = next_tag();
      lex_data(tag);
      if (at_ < text_.size()) lex_tag();
    }
    add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  bool looking_at(std::string_view what) const {
    return std::string_view(text_).substr(at_, what.size()) == what;
  }
  size_t next_tag() const {
    for (size_t i = at_; (i = text_.find('{', i)) != std::string::npos; ++i) {
      if (i + 1 < text_.size() && std::string_view("{%#").find(text_[i + 1]) != std::string::npos) {
        return i;
      }
    }
    return text_.size();
  }
  void add(TokenKind kind, std::string value) {
    tokens_.push_back(Token{kind, std::move(value), rt_.line});
  }
  void advance_to(size_t end) {
    rt_.line += static_cast<int>(std::count(text_.begin() + static_cast<ptrdiff_t>(at_),
                                            text_.begin() + static_cast<ptrdiff_t>(end), '\n'));
    at_ = end;
  }
  void skip_spaces() {
    const std::string_view rest = std::string_view(text_).substr(at_);
    advance_to(at_ + rest.size() - strip(rest, Sides::kLeft).size());
  }

  /// The text before the tag at `tag`, whose opening sign says what is stripped from its end.
  void lex_data(size_t tag) {
    const std::string_view whole = std::string_view(text_).substr(at_, tag - at_);
    const std::string_view data = tag < text_.size() ? stripped_before(whole, tag) : whole;
    if (!data.empty()) add(TokenKind::kData, std::string(data));
    advance_to(tag);
  }
  std::string_view stripped_before(std::string_view data, size_t tag) const {
    const char sign = tag + 2 < text_.size() ? text_[tag + 2] : '\0';
    if (sign == '-') return strip(data, Sides::kRight);
    if (sign == '+' || text_[tag + 1] == '{') return data;
    // lstrip_blocks: white space between the start of the line and a block or comment.
    const size_t newline = data.rfind('\n');
    if (newline == std::string_view::npos && !at_line_start_) return data;
    const size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
    return strip(data.substr(begin), Sides::kLeft).empty() ? data.substr(0, begin) : data;
  }

  void lex_tag() {
    const char kind = text_[at_ + 1];
    if (kind == '#') {
      lex_comment();
    } else if (kind == '%' && lex_raw()) {
      return;
    } else {
      lex_code(kind == '%');
    }
  }
  /// After a tag's closing: `-` eats white space, a block or comment eats one newline unless `+`.
  void finish_tag(char sign, bool trims_newline) {
    at_line_start_ = false;
    if (sign == '-') {
      const size_t begin = at_;
      skip_spaces();
      at_line_start_ = at_ > begin && text_[at_ - 1] == '\n';
    } else if (trims_newline && sign != '+' && looking_at("\n")) {
      advance_to(at_ + 1);
      at_line_start_ = true;
    }
  }

  void lex_comment() {
    const size_t end = text_.find("#}", at_ + 2);
    if (end == std::string::npos) rt_.fail("a comment {{# is never closed");
    const bool opening_sign = text_[at_ + 2] == '-' || text_[at_ + 2] == '+';
    const char sign = end > at_ + (opening_sign ? 3 : 2) ? text_[end - 1] : '\0';
    advance_to(end + 2);
    finish_tag(sign, true);
  }

  /// Position behind `{% word`, signs and spaces included, or nothing.
  std::optional<size_t> after_word(size_t tag, std::string_view word) const {
    size_t i = tag + 2;
    if (i < text_.size() && (text_[i] == '-' || text_[i] == '+')) ++i;
    const auto skip = [&] {
      const std::string_view rest = std::string_view(text_).substr(i);
      i += rest.size() - strip(rest, Sides::kLeft).size();
    };
    skip();
    if (text_.compare(i, word.size(), word) != 0) return std::nullopt;
    i += word.size();
    skip();
    return i;
  }
  bool lex_raw() {
    const auto begin = after_word(at_, "raw");
    if (!begin) return false;
    const bool strips = text_.compare(*begin, 3, "-%}") == 0;
    if (!strips && text_.compare(*begin, 2, "%}") != 0) return false;
    advance_to(*begin + (strips ? 3 : 2));
    finish_tag(strips ? '-' : '+', false);
    for (size_t tag = at_; (tag = text_.find("{%", tag)) != std::string::npos; tag += 2) {
      const auto end = after_word(tag, "endraw");
      if (!end) continue;
      const char sign = *end < text_.size() ? text_[*end] : '\0';
      const size_t close = *end + (sign == '-' || sign == '+' ? 1 : 0);
      if (text_.compare(close, 2, "%}") != 0) continue;
      lex_data(tag);
      advance_to(close + 2);
      finish_tag(sign, true);
      return true;
    }
    rt_.fail("{{% raw %}} is never closed by {{% endraw %}}");
  }

  void lex_code(bool block) {
    add(block ? TokenKind::kBlockBegin : TokenKind::kVariableBegin, block ? "{%" : "{{");
    advance_to(at_ + 2);
    if (looking_at("-") || looking_at("+")) ++at_;
    const std::string_view close = block ? "%}" : "}}";
    braces_.clear();
    while (true) {
      skip_spaces();
      if (at_ >= text_.size()) rt_.fail("a tag is never closed by {}", close);
      if (braces_.empty() && lex_close(block, close)) return;
      lex_token();
    }
  }
  bool lex_close(bool block, std::string_view close) {
    const char first = text_[at_];
    const bool sign = first == '-' || (block && first == '+');
    if (text_.compare(at_ + (sign ? 1 : 0), 2, close) != 0) return false;
    add(block ? TokenKind::kBlockEnd : TokenKind::kVariableEnd, std::string(close));
    advance_to(at_ + (sign ? 3 : 2));
    finish_tag(sign ? first : '\0', block);
    return true;
  }

  void lex_token() {
    const char c = text_[at_];
    if (is_name_start(c) || static_cast<unsigned char>(c) >= 0x80) {
      lex_name();
    } else if (is_digit(c)) {
      const bool after_dot = !tokens_.empty() && tokens_.back().text == "." &&
                             tokens_.back().kind == TokenKind::kOperator;
      const NumberText number = number_at(text_, at_, !after_dot);
      add(number.real ? TokenKind::kFloat : TokenKind::kInteger, text_.substr(at_, number.length));
      at_ += number.length;
    } else if (c == '\'' || c == '"') {
      lex_string(c);
    } else {
      lex_operator();
    }
  }
  void lex_name() {
    size_t end = at_;
    while (end < text_.size() && (is_name_start(text_[end]) || is_digit(text_[end]) ||
                                  static_cast<unsigned char>(text_[end]) >= 0x80)) {
      ++end;
    }
    const std::string name = text_.substr(at_, end - at_);
    for (const char32_t c : to_code_points(name)) {
      if (c >= 0x80 && !is_alphabetic(c)) rt_.fail("unexpected character in \"{}\"", name);
    }
    add(TokenKind::kName, name);
    at_ = end;
  }
  void lex_string(char quote) {
    size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) rt_.fail("a string that begins with {} is never closed", quote);
    add(TokenKind::kString, unescaped(text_.substr(at_ + 1, end - at_ - 1), rt_));
    advance_to(end + 1);
  }
  void lex_operator() {
    static constexpr std::array<std::string_view, 26> kOperators = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", "(",
        ")",  "[",  "]",  "{",  "}",  ".",  ",", ":", "|", "=", "<", ">", ";"};
    for (const std::string_view op : kOperators) {
      if (!looking_at(op)) continue;
      check_brace(op[0]);
      add(TokenKind::kOperator, std::string(op));
      at_ += op.size();
      return;
    }
    rt_.fail("unexpected character '{}'", text_[at_]);
  }
  void check_brace(char c) {
    if (c == '(') braces_ += ')';
    if (c == '[') braces_ += ']';
    if (c == '{') braces_ += '}';
    if (c != ')' && c != ']' && c != '}') return;
    if (braces_.empty()) rt_.fail("unexpected '{}'", c);
    if (braces_.back() != c) rt_.fail("unexpected '{}', expected '{}'", c, braces_.back());
    braces_.pop_back();
  }

  std::string text_;
  Runtime& rt_;
  size_t at_ = 0;
  bool at_line_start_ = true;  // the text before at_ ends with a newline, or there is none
  std::string braces_;         // the closing brackets that are awaited
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source, Runtime& rt) {
  rt.line = 1;
  return Lexer(source, rt).run();
}

}  // namespace tandem::jinja
