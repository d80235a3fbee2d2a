#include <cmath>

#include "text/chat_template/arguments.h"
#include "text/chat_template/print.h"

namespace tandem::jinja {
namespace {

[[noreturn]] void fail_types(const Runtime& rt, const std::string& op, const Value& a,
                             const Value& b) {
  rt.fail("'{}' does not take '{}' and '{}'", op, type_name(a), type_name(b));
}

[[noreturn]] void fail_overflow(const Runtime& rt, const std::string& op) {
  rt.fail("the result of '{}' does not fit in 128 bits", op);
}

Int floor_divide(const Runtime& rt, Int a, Int b) {
  if (b == 0) rt.fail("division by zero");
  if (b == -1) {
    Int result = 0;
    if (__builtin_sub_overflow(Int{0}, a, &result)) fail_overflow(rt, "//");
    return result;
  }
  const Int quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Int integer_power(const Runtime& rt, Int base, Int exponent) {
  Int result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) {
      fail_overflow(rt, "**");
    }
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) fail_overflow(rt, "**");
  }
  return result;
}

Value integers(const Runtime& rt, const std::string& op, Int a, Int b) {
  Int result = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else if (op == "//") {
    result = floor_divide(rt, a, b);
  } else if (op == "%") {
    if (b == 0) rt.fail("modulo by zero");
    result = b == -1 ? 0 : a % b;
    if (result != 0 && (result < 0) != (b < 0)) result += b;
  } else {
    result = integer_power(rt, a, b);
  }
  if (overflow) fail_overflow(rt, op);
  return Value(result);
}

Value reals(const Runtime& rt, const std::string& op, double a, double b) {
  if (op == "+") return Value(a + b);
  if (op == "-") return Value(a - b);
  if (op == "*") return Value(a * b);
  if (op == "**") return Value(std::pow(a, b));
  if (b == 0) rt.fail("division by zero");
  if (op == "/") return Value(a / b);
  if (op == "//") return Value(std::floor(a / b));
  const double rest = std::fmod(a, b);
  return Value(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

Value arithmetic(const Runtime& rt, const std::string& op, const Value& a, const Value& b) {
  const bool whole = a.is_integral() && b.is_integral();
  if (whole && op != "/" && !(op == "**" && b.integer() < 0)) {
    return integers(rt, op, a.integer(), b.integer());
  }
  return reals(rt, op, a.number(), b.number());
}

Value add(Runtime& rt, const Value& a, const Value& b) {
  if (a.is_text() && b.is_text() && a.is_string() == b.is_string()) {
    if (a.is_markup() || b.is_markup()) {
      return make_text(rt, escaped(rt, a) + escaped(rt, b), TextKind::kMarkup);
    }
    rt.reserve(a.string().size() + b.string().size());
    return make_text(rt, a.string() + b.string(), a.text().kind);
  }
  if (a.is_sequence() && b.is_sequence() && a.sequence().kind == b.sequence().kind &&
      a.sequence().kind <= SequenceKind::kTuple) {
    rt.reserve((a.sequence().items.size() + b.sequence().items.size()) * sizeof(Value));
    Items items = a.sequence().items;
    items.insert(items.end(), b.sequence().items.begin(), b.sequence().items.end());
    return make_sequence(rt, std::move(items), a.sequence().kind);
  }
  fail_types(rt, "+", a, b);
}

/// text * n, list * n.
Value repeat(Runtime& rt, const Value& value, Int count) {
  if (count < 0) count = 0;
  const auto times = static_cast<size_t>(std::min<Int>(count, INT32_MAX));
  if (value.is_text()) {
    const std::string& text = value.string();
    rt.reserve(text.size() * times);
    std::string result;
    result.reserve(text.size() * times);
    for (size_t i = 0; i < times && !text.empty(); ++i) result += text;
    return make_text(rt, std::move(result), value.text().kind);
  }
  const Items& items = value.sequence().items;
  rt.reserve(items.size() * times * sizeof(Value));
  Items result;
  for (size_t i = 0; i < times && !items.empty(); ++i) {
    result.insert(result.end(), items.begin(), items.end());
  }
  return make_sequence(rt, std::move(result), value.sequence().kind);
}

bool is_repeatable(const Value& value) {
  return value.is_text() || (value.is_sequence() && value.sequence().kind <= SequenceKind::kTuple);
}

}  // namespace

Value binary(Runtime& rt, const std::string& op, const Value& a, const Value& b) {
  require_defined(rt, a);
  require_defined(rt, b);
  if (a.is_number() && b.is_number()) return arithmetic(rt, op, a, b);
  if (op == "+") return add(rt, a, b);
  if (op == "%" && a.is_string()) return percent_format(rt, a.string(), b);
  if (op == "*" && is_repeatable(a) && b.is_integral()) return repeat(rt, a, b.integer());
  if (op == "*" && is_repeatable(b) && a.is_integral()) return repeat(rt, b, a.integer());
  fail_types(rt, op, a, b);
}

Value unary(Runtime& rt, const std::string& op, const Value& value) {
  require_defined(rt, value);
  if (!value.is_number()) rt.fail("'{}' does not take '{}'", op, type_name(value));
  if (value.is_float()) return Value(op == "-" ? -value.number() : value.number());
  if (op == "+") return Value(value.integer());
  return integers(rt, "-", 0, value.integer());
}

Value concatenate(Runtime& rt, const Items& parts) {
  std::string text;
  for (const Value& part : parts) {
    text += str(rt, part);
    if (!rt.meter().fits(text.size())) rt.reserve(text.size());
  }
  return make_text(rt, std::move(text));
}

}  // namespace tandem::jinja
