// Filters over numbers, and default and attr.
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "text/chat_template/filters.h"
#include "text/chat_template/print.h"
#include "text/chat_template/unicode.h"

namespace tandem::jinja {
namespace {

/// Python's int(text, base): sign, underscores, white space around.
std::optional<Int> integer_of(std::string_view text, int64_t base) {
  text = strip(text, Sides::kBoth);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  Int value = 0;
  bool digit_before = false;
  for (const char c : text) {
    if (c == '_' && digit_before) {
      digit_before = false;
      continue;
    }
    const int digit = c >= '0' && c <= '9' ? c - '0'
                      : (c | 0x20) >= 'a'  ? (c | 0x20) - 'a' + 10
                                           : 99;
    if (digit >= base || __builtin_mul_overflow(value, Int{base}, &value) ||
        __builtin_add_overflow(value, Int{digit}, &value)) {
      return std::nullopt;
    }
    digit_before = true;
  }
  if (!digit_before) return std::nullopt;
  return negative ? -value : value;
}

std::optional<double> real_of(std::string_view text) {
  text = strip(text, Sides::kBoth);
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc::invalid_argument || result.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<Int> truncated(double value) {
  if (!(std::abs(value) < 1e38)) return std::nullopt;
  return static_cast<Int>(std::trunc(value));
}

Value to_int(const FilterCall& c) {
  require_defined(c.rt, c.value);
  std::optional<Int> result;
  if (c.value.is_integral()) result = c.value.integer();
  if (c.value.is_float()) result = truncated(c.value.number());
  if (c.value.is_string()) {
    const int64_t base = c.bound.integer(1, 10);
    if (base < 2 || base > 36) c.rt.fail("int: a base beyond 2 to 36");
    result = integer_of(c.value.string(), base);
    if (!result) {
      if (const auto real = real_of(c.value.string())) result = truncated(*real);
    }
  }
  if (result) return Value(*result);
  return c.bound.has(0) ? c.bound.get(0) : Value(Int{0});
}

Value to_float(const FilterCall& c) {
  require_defined(c.rt, c.value);
  if (c.value.is_number()) return Value(c.value.number());
  if (c.value.is_string()) {
    if (const auto real = real_of(c.value.string())) return Value(*real);
  }
  return c.bound.has(0) ? c.bound.get(0) : Value(0.0);
}

const Value& number(const FilterCall& c) {
  require_defined(c.rt, c.value);
  if (!c.value.is_number()) c.rt.fail("a number is expected, not '{}'", type_name(c.value));
  return c.value;
}

Value absolute(const FilterCall& c) {
  const Value& value = number(c);
  if (value.is_float()) return Value(std::abs(value.number()));
  return value.integer() < 0 ? unary(c.rt, "-", value) : Value(value.integer());
}

Value round_number(const FilterCall& c) {
  const Value& value = number(c);
  const int64_t precision = c.bound.integer(0, 0);
  const std::string method = c.bound.string(1, "common");
  if (precision < -30 || precision > 300) c.rt.fail("round: a precision beyond -30 to 300");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (method == "ceil") return Value(std::ceil(value.number() * scale) / scale);
  if (method == "floor") return Value(std::floor(value.number() * scale) / scale);
  if (method != "common") c.rt.fail("round: method is common, ceil or floor");
  if (value.is_integral() && precision >= 0) return Value(value.integer());
  const double real = value.number();
  if (!std::isfinite(real)) return Value(real);
  // As Python: correctly rounded from the exact binary value, ties to even.
  if (precision < 0) return Value(std::nearbyint(real * scale) / scale);
  return Value(std::strtod(fmt::format("{:.{}f}", real, precision).c_str(), nullptr));
}

Value sum(const FilterCall& c) {
  Value total = c.bound.has(1) ? c.bound.get(1) : Value(Int{0});
  for (const Value& item : iterate(c.rt, c.value)) {
    const Value part =
        c.bound.given_not_none(0) ? attribute_path(c.rt, item, c.bound.get(0)) : item;
    total = binary(c.rt, "+", total, part);
  }
  return total;
}

Value fallback(const FilterCall& c) {
  const bool replaced = c.value.is_undefined() || (c.bound.truth(1, false) && !truth(c.value));
  if (!replaced) return c.value;
  return c.bound.has(0) ? c.bound.get(0) : make_text(c.rt, "");
}

Value attribute(const FilterCall& c) { return get_attribute(c.rt, c.value, c.bound.string(0)); }

constexpr std::array kTable = {
    FilterEntry{"int", "default base", to_int},
    FilterEntry{"float", "default", to_float},
    FilterEntry{"abs", "", absolute},
    FilterEntry{"round", "precision method", round_number},
    FilterEntry{"sum", "attribute start", sum},
    FilterEntry{"default", "default_value boolean", fallback},
    FilterEntry{"d", "default_value boolean", fallback},
    FilterEntry{"attr", "name", attribute},
};

}  // namespace

std::span<const FilterEntry> number_filters() { return kTable; }

}  // namespace tandem::jinja
