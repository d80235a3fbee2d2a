// `value is test`.
#include <algorithm>
#include <array>

#include "text/chat_template/arguments.h"
#include "text/chat_template/unicode.h"

namespace tandem::jinja {
namespace {

using Test = bool (*)(Runtime&, const Value&, const Bound&);

struct TestEntry {
  std::string_view name;
  std::string_view parameters;
  Test test;
};

Int remainder(Runtime& rt, const Value& value, Int divisor) {
  require_defined(rt, value);
  if (!value.is_integral()) rt.fail("a test for integers, on '{}'", type_name(value));
  if (divisor == 0) rt.fail("modulo by zero");
  return divisor == -1 ? 0 : value.integer() % divisor;
}

template <bool (*kKind)(char32_t)>
bool all_cased(const std::string& text) {
  bool cased = false;
  for (const char32_t c : to_code_points(text)) {
    if (!is_cased(c)) continue;
    if (!kKind(c)) return false;
    cased = true;
  }
  return cased;
}

bool is_sequence_like(const Value& value) {
  if (value.is_sequence()) return value.sequence().kind <= SequenceKind::kRange;
  return value.is_text() || value.is_dict() || value.is_undefined();
}

#define TANDEM_TEST(body)                                   \
  [](Runtime& rt, const Value& v, const Bound& b) -> bool { \
    (void)rt, (void)v, (void)b;                             \
    return body;                                            \
  }

const std::array kTests = {
    TestEntry{"defined", "", TANDEM_TEST(!v.is_undefined())},
    TestEntry{"undefined", "", TANDEM_TEST(v.is_undefined())},
    TestEntry{"none", "", TANDEM_TEST(v.is_none())},
    TestEntry{"boolean", "", TANDEM_TEST(v.is_bool())},
    TestEntry{"true", "", TANDEM_TEST(v.is_bool() && v.boolean())},
    TestEntry{"false", "", TANDEM_TEST(v.is_bool() && !v.boolean())},
    TestEntry{"integer", "", TANDEM_TEST(v.is_int())},
    TestEntry{"float", "", TANDEM_TEST(v.is_float())},
    TestEntry{"number", "", TANDEM_TEST(v.is_number())},
    TestEntry{"string", "", TANDEM_TEST(v.is_string())},
    TestEntry{"mapping", "", TANDEM_TEST(v.is_dict())},
    TestEntry{"sequence", "", TANDEM_TEST(is_sequence_like(v))},
    TestEntry{"iterable", "", TANDEM_TEST(is_iterable(v))},
    TestEntry{"callable", "", TANDEM_TEST(v.is_callable() || v.is_loop() || v.is_undefined())},
    TestEntry{"sameas", "other", TANDEM_TEST(v.same(b.required(0)))},
    TestEntry{"escaped", "", TANDEM_TEST(v.is_markup())},
    TestEntry{"in", "seq", TANDEM_TEST(contains(rt, b.required(0), v))},
    TestEntry{"odd", "", TANDEM_TEST(remainder(rt, v, 2) != 0)},
    TestEntry{"even", "", TANDEM_TEST(remainder(rt, v, 2) == 0)},
    TestEntry{"divisibleby", "num", TANDEM_TEST(remainder(rt, v, b.integer(0, 0)) == 0)},
    TestEntry{"upper", "", TANDEM_TEST(v.is_string() && all_cased<is_upper>(v.string()))},
    TestEntry{"lower", "", TANDEM_TEST(v.is_string() && all_cased<is_lower>(v.string()))},
    TestEntry{"filter", "", TANDEM_TEST(v.is_string() && is_filter(v.string()))},
    TestEntry{"test", "", TANDEM_TEST(v.is_string() && is_test(v.string()))},
    TestEntry{"eq", "other", TANDEM_TEST(equal(rt, v, b.required(0)))},
    TestEntry{"ne", "other", TANDEM_TEST(!equal(rt, v, b.required(0)))},
    TestEntry{"lt", "other", TANDEM_TEST(less(rt, v, b.required(0)))},
    TestEntry{"gt", "other", TANDEM_TEST(less(rt, b.required(0), v))},
    TestEntry{"le", "other",
              TANDEM_TEST(less(rt, v, b.required(0)) || equal(rt, v, b.required(0)))},
    TestEntry{"ge", "other",
              TANDEM_TEST(less(rt, b.required(0), v) || equal(rt, v, b.required(0)))},
};
#undef TANDEM_TEST

std::string_view without_alias(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kAliases = {
      {{"equalto", "eq"},
       {"==", "eq"},
       {"!=", "ne"},
       {"<", "lt"},
       {"lessthan", "lt"},
       {">", "gt"},
       {"greaterthan", "gt"},
       {"<=", "le"},
       {">=", "ge"}}};
  for (const auto& [alias, target] : kAliases) {
    if (alias == name) return target;
  }
  return name;
}

const TestEntry* find_test(std::string_view name) {
  const std::string_view target = without_alias(name);
  const auto* const at = std::find_if(kTests.begin(), kTests.end(),
                                      [&](const TestEntry& entry) { return entry.name == target; });
  return at == kTests.end() ? nullptr : at;
}

}  // namespace

bool is_test(std::string_view name) { return find_test(name) != nullptr; }

bool apply_test(Runtime& rt, const std::string& name, const Value& value, Arguments& arguments) {
  rt.step();
  const TestEntry* entry = find_test(name);
  if (entry == nullptr) rt.fail("unknown test '{}'", name.substr(0, 80));
  return entry->test(rt, value, Bound(rt, "test '" + name + "'", entry->parameters, arguments));
}

}  // namespace tandem::jinja
