#include "text/chat_template/print.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/chat_template/unicode.h"

namespace tandem::jinja {
namespace {

/// Writes one value; charges the runtime for what it has written, since values may share parts.
class Printer {
 public:
  explicit Printer(Runtime& rt) : rt_(rt) {}
  std::string take() { return std::move(out_); }

  void repr(const Value& value) {
    charge();
    if (value.is_text()) {
      quoted(value);
    } else if (value.is_sequence()) {
      sequence(value.sequence());
    } else if (value.is_dict()) {
      dict(value.dict());
    } else {
      scalar(value);
    }
  }
  void scalar(const Value& value) {
    if (value.is_none()) out_ += "None";
    if (value.is_undefined()) out_ += "Undefined";
    if (value.is_bool()) out_ += value.boolean() ? "True" : "False";
    if (value.is_int()) out_ += int_text(value.integer());
    if (value.is_float()) out_ += real_text(value.number());
    if (value.is_namespace()) out_ += "<Namespace>";
    if (value.is_callable()) out_ += "<function " + value.callable().name + ">";
    if (value.is_loop()) out_ += "<LoopContext>";
  }

 private:
  void charge() {
    rt_.reserve(out_.size() - charged_);
    if (!rt_.meter().fits(out_.size())) rt_.reserve(out_.size());
    charged_ = out_.size();
  }
  void quoted(const Value& value) {
    const std::string& text = value.string();
    const bool double_quotes =
        text.find('\'') != std::string::npos && text.find('"') == std::string::npos;
    const char quote = double_quotes ? '"' : '\'';
    if (!value.is_string()) out_ += 'b';
    out_ += quote;
    if (value.is_string()) {
      for (const char32_t c : to_code_points(text)) character(c, quote);
    } else {
      for (const char c : text) byte(static_cast<unsigned char>(c), quote);
    }
    out_ += quote;
  }
  bool simple_escape(char32_t c, char quote) {
    if (c == static_cast<char32_t>(quote) || c == U'\\') {
      out_ += '\\';
      out_ += static_cast<char>(c);
    } else if (c == U'\n') {
      out_ += "\\n";
    } else if (c == U'\r') {
      out_ += "\\r";
    } else if (c == U'\t') {
      out_ += "\\t";
    } else {
      return false;
    }
    return true;
  }
  void character(char32_t c, char quote) {
    if (simple_escape(c, quote)) return;
    if (is_printable(c)) {
      append_utf8(out_, c);
    } else if (c < 0x100) {
      out_ += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else if (c < 0x10000) {
      out_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out_ += fmt::format("\\U{:08x}", static_cast<unsigned>(c));
    }
  }
  void byte(unsigned char c, char quote) {
    if (simple_escape(c, quote)) return;
    if (c >= 32 && c < 127) {
      out_ += static_cast<char>(c);
    } else {
      out_ += fmt::format("\\x{:02x}", c);
    }
  }
  void sequence(const Sequence& sequence) {
    if (sequence.kind == SequenceKind::kGenerator) {
      out_ += "<generator object>";
      return;
    }
    if (sequence.kind == SequenceKind::kRange) {
      out_ += sequence.name;
      return;
    }
    const bool tuple = sequence.kind == SequenceKind::kTuple;
    if (sequence.kind == SequenceKind::kView) out_ += sequence.name + "(";
    out_ += tuple ? '(' : '[';
    for (size_t i = 0; i < sequence.items.size(); ++i) {
      if (i > 0) out_ += ", ";
      repr(sequence.items[i]);
    }
    if (tuple && sequence.items.size() == 1) out_ += ',';
    out_ += tuple ? ')' : ']';
    if (sequence.kind == SequenceKind::kView) out_ += ')';
  }
  void dict(const Dict& dict) {
    out_ += '{';
    bool first = true;
    for (const auto& [key, value] : dict.items) {
      if (!first) out_ += ", ";
      first = false;
      repr(key);
      out_ += ": ";
      repr(value);
    }
    out_ += '}';
  }

  Runtime& rt_;
  std::string out_;
  size_t charged_ = 0;
};

}  // namespace

std::string int_text(Int value) {
  if (value >= INT64_MIN && value <= INT64_MAX) return std::to_string(static_cast<int64_t>(value));
  std::string digits;
  const bool negative = value < 0;
  for (; value != 0; value /= 10) {
    const int digit = static_cast<int>(value % 10);
    digits += static_cast<char>('0' + (digit < 0 ? -digit : digit));
  }
  if (negative) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  const int exponent = std::stoi(std::string(text.substr(e + 1)));
  const bool negative = text[0] == '-';
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  const auto count = static_cast<int>(digits.size());
  std::string result;
  if (exponent < -4 || exponent >= 16) {
    result = digits.substr(0, 1) + (count > 1 ? "." + digits.substr(1) : "");
    result += fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  } else if (exponent < 0) {
    result = "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  } else if (count <= exponent + 1) {
    result = digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
  } else {
    const auto point = static_cast<size_t>(exponent + 1);
    result = digits.substr(0, point) + "." + digits.substr(point);
  }
  return (negative ? "-" : "") + result;
}

std::string str(Runtime& rt, const Value& value) {
  if (value.is_undefined()) return "";
  if (value.is_string()) {
    rt.reserve(value.string().size());
    return value.string();
  }
  return repr(rt, value);
}

std::string repr(Runtime& rt, const Value& value) {
  Printer printer(rt);
  printer.repr(value);
  return printer.take();
}

std::string escaped(Runtime& rt, const Value& value) {
  const std::string text = str(rt, value);
  if (value.is_markup()) return text;
  rt.reserve(text.size() * 5);
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&#34;";
    } else if (c == '\'') {
      out += "&#39;";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace tandem::jinja
