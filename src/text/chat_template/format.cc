// Python's "%s" % values and "{}".format(...).
#include <algorithm>
#include <cmath>

#include "text/chat_template/arguments.h"
#include "text/chat_template/print.h"
#include "text/chat_template/unicode.h"

namespace tandem::jinja {
namespace {

constexpr int64_t kMaxWidth = 10'000;

/// One conversion: %-05.2f or {:<5}.
struct Spec {
  bool left = false, zero = false, plus = false, space = false, center = false;
  bool right = false;
  int64_t width = 0;
  std::optional<int64_t> precision;
  char kind = 's';
};

std::string padded(std::string text, const Spec& spec, bool numeric) {
  const int64_t missing = spec.width - count_characters(text);
  if (missing <= 0) return text;
  const auto n = static_cast<size_t>(missing);
  if (spec.center) return std::string(n / 2, ' ') + text + std::string(n - n / 2, ' ');
  if (spec.left) return text + std::string(n, ' ');
  if (spec.zero && numeric) {
    const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    return text.insert(sign, n, '0');
  }
  return std::string(n, ' ') + text;
}

std::string with_sign(std::string digits, const Spec& spec) {
  if (digits.starts_with('-')) return digits;
  if (spec.plus) return "+" + digits;
  return spec.space ? " " + digits : digits;
}

std::string in_base(Int value, unsigned base, bool upper) {
  const bool negative = value < 0;
  std::string digits;
  do {
    const int digit = static_cast<int>(value % static_cast<Int>(base));
    digits += (upper ? "0123456789ABCDEF" : "0123456789abcdef")[digit < 0 ? -digit : digit];
    value /= static_cast<Int>(base);
  } while (value != 0);
  if (negative) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string number_text(Runtime& rt, const Value& value, const Spec& spec) {
  require_defined(rt, value);
  if (!value.is_number()) {
    rt.fail("format '{}' needs a number, not '{}'", spec.kind, type_name(value));
  }
  const bool whole = std::string_view("diuxXo").find(spec.kind) != std::string_view::npos;
  if (!whole) {
    const std::string pattern = fmt::format("{{:.{}{}}}", spec.precision.value_or(6), spec.kind);
    return fmt::format(fmt::runtime(pattern), value.number());
  }
  if (value.is_float() && !(std::abs(value.number()) < 1e38)) rt.fail("a float out of range");
  const Int integer =
      value.is_float() ? static_cast<Int>(std::trunc(value.number())) : value.integer();
  const unsigned base = spec.kind == 'o' ? 8 : (spec.kind | 0x20) == 'x' ? 16 : 10;
  return in_base(integer, base, spec.kind == 'X');
}

std::string converted(Runtime& rt, const Value& value, const Spec& spec) {
  std::string text;
  const bool numeric = std::string_view("diuxXofFeEgG").find(spec.kind) != std::string_view::npos;
  if (numeric) {
    text = with_sign(number_text(rt, value, spec), spec);
  } else {
    text = spec.kind == 's' ? str(rt, value) : repr(rt, value);
    if (spec.precision)
      text = to_utf8(to_code_points(text).substr(0, static_cast<size_t>(*spec.precision)));
  }
  return padded(std::move(text), spec, numeric);
}

/// Reads flags, width, precision and kind behind a '%' or ':'.
class SpecReader {
 public:
  SpecReader(Runtime& rt, std::string_view text, size_t& at) : rt_(rt), text_(text), at_(at) {}

  Spec flags_and_sizes() {
    Spec spec;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '-' || c == '<') {
        spec.left = true;
      } else if (c == '0') {
        spec.zero = true;
      } else if (c == '+') {
        spec.plus = true;
      } else if (c == ' ') {
        spec.space = true;
      } else if (c == '^') {
        spec.center = true;
      } else if (c == '>') {
        spec.right = true;
      } else {
        break;
      }
    }
    spec.width = number().value_or(0);
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      spec.precision = number().value_or(0);
    }
    return spec;
  }

 private:
  std::optional<int64_t> number() {
    std::optional<int64_t> value;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      value = value.value_or(0) * 10 + (text_[at_++] - '0');
      if (*value > kMaxWidth) rt_.fail("a format's width or precision beyond {}", kMaxWidth);
    }
    return value;
  }

  Runtime& rt_;
  std::string_view text_;
  size_t& at_;
};

class PercentFormatter {
 public:
  PercentFormatter(Runtime& rt, const std::string& format, const Value& values)
      : rt_(rt), format_(format), values_(values) {}

  std::string run() {
    std::string out;
    for (size_t at = 0; at < format_.size();) {
      if (format_[at] != '%') {
        out += format_[at++];
        continue;
      }
      if (++at < format_.size() && format_[at] == '%') {
        out += format_[at++];
        continue;
      }
      const std::optional<Value> named = mapping_key(at);
      Spec spec = SpecReader(rt_, format_, at).flags_and_sizes();
      if (at >= format_.size()) rt_.fail("a format that ends after '%'");
      spec.kind = format_[at++];
      if (std::string_view("sradiuxXofFeEgG").find(spec.kind) == std::string_view::npos) {
        rt_.fail("unknown format '%{}'", spec.kind);
      }
      out += converted(rt_, named ? *named : next_value(), spec);
      rt_.reserve(out.size());
    }
    const bool tuple = values_.is_sequence(SequenceKind::kTuple);
    if (tuple && used_ < values_.sequence().items.size()) {
      rt_.fail("more values than the format takes");
    }
    return out;
  }

 private:
  std::optional<Value> mapping_key(size_t& at) {
    if (at >= format_.size() || format_[at] != '(') return std::nullopt;
    const size_t end = format_.find(')', at);
    if (end == std::string::npos) rt_.fail("a format's '(' is never closed");
    const Value key = make_text(rt_, format_.substr(at + 1, end - at - 1));
    at = end + 1;
    return get_item(rt_, values_, key);
  }
  Value next_value() {
    if (values_.is_sequence(SequenceKind::kTuple)) {
      const Items& items = values_.sequence().items;
      if (used_ >= items.size()) rt_.fail("fewer values than the format takes");
      return items[used_++];
    }
    if (used_++ > 0) rt_.fail("fewer values than the format takes");
    return values_;
  }

  Runtime& rt_;
  const std::string& format_;
  const Value& values_;
  size_t used_ = 0;
};

class BraceFormatter {
 public:
  BraceFormatter(Runtime& rt, const std::string& format, const Arguments& arguments)
      : rt_(rt), format_(format), arguments_(arguments) {}

  std::string run() {
    std::string out;
    for (size_t at = 0; at < format_.size();) {
      const char c = format_[at++];
      const bool doubled = at < format_.size() && format_[at] == c;
      if (c != '{' && c != '}') {
        out += c;
      } else if (doubled) {
        out += c;
        ++at;
      } else if (c == '}') {
        rt_.fail("a single '}}' in a format");
      } else {
        out += field(at);
        rt_.reserve(out.size());
      }
    }
    return out;
  }

 private:
  std::string field(size_t& at) {
    const size_t end = format_.find('}', at);
    if (end == std::string::npos) rt_.fail("a format's '{{' is never closed");
    const std::string inside = format_.substr(at, end - at);
    at = end + 1;
    const size_t colon = std::min(inside.find(':'), inside.size());
    const Value value = named(inside.substr(0, colon));
    Spec spec;
    if (colon < inside.size()) {
      size_t i = colon + 1;
      spec = SpecReader(rt_, inside, i).flags_and_sizes();
      spec.kind = i < inside.size() ? inside[i++] : value.is_int() ? 'd' : 's';
      if (i < inside.size() ||
          std::string_view("sdxXofFeEgG").find(spec.kind) == std::string_view::npos) {
        rt_.fail("unknown format '{}'", inside);
      }
      spec.left = spec.left || (!spec.right && !value.is_number());
    }
    return converted(rt_, value, spec);
  }
  Value named(const std::string& name) {
    const bool digits =
        std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits && name.size() < 6) {
      const size_t i = name.empty() ? next_++ : std::stoul(name);
      if (i >= arguments_.positional.size()) rt_.fail("the format has no value {}", i);
      return arguments_.positional[i];
    }
    for (const auto& [key, value] : arguments_.named) {
      if (key == name) return value;
    }
    rt_.fail("the format has no value '{}'", name.substr(0, 60));
  }

  Runtime& rt_;
  const std::string& format_;
  const Arguments& arguments_;
  size_t next_ = 0;
};

}  // namespace

Value percent_format(Runtime& rt, const std::string& format, const Value& values) {
  return make_text(rt, PercentFormatter(rt, format, values).run());
}

Value brace_format(Runtime& rt, const std::string& format, const Arguments& arguments) {
  return make_text(rt, BraceFormatter(rt, format, arguments).run());
}

}  // namespace tandem::jinja
