// Methods of str that look at characters.
#include <algorithm>
#include <array>

#include "text/chat_template/methods.h"
#include "text/chat_template/print.h"
#include "text/chat_template/unicode.h"

namespace tandem::jinja {
namespace {

const std::string& text_of(const MethodCall& c) {
  c.rt.reserve(c.self.string().size() * 5);
  return c.self.string();
}

template <std::string (*kMap)(std::string_view)>
Value mapped(const MethodCall& c) {
  return make_text(c.rt, kMap(text_of(c)));
}

template <Sides kSides>
Value stripped(const MethodCall& c) {
  const std::string& text = text_of(c);
  if (!c.bound.given_not_none(0)) return make_text(c.rt, std::string(strip(text, kSides)));
  const std::string& chars = c.bound.string(0);
  c.rt.step(static_cast<int64_t>(text.size() * chars.size() / 64));
  return make_text(c.rt, std::string(strip(text, kSides, chars)));
}

/// Not empty, and every character is of the kind.
template <typename Kind>
bool all_characters(const MethodCall& c, const Kind& kind) {
  const std::u32string text = to_code_points(text_of(c));
  return !text.empty() && std::all_of(text.begin(), text.end(), kind);
}

bool is_digit(char32_t c) {
  return is_decimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 ||
         (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089);
}

bool all_cased(const MethodCall& c, bool (*kind)(char32_t)) {
  bool cased = false;
  for (const char32_t ch : to_code_points(text_of(c))) {
    if (!is_cased(ch)) continue;
    if (!kind(ch)) return false;
    cased = true;
  }
  return cased;
}

Value padded(const MethodCall& c, bool left, bool right) {
  const std::string& text = text_of(c);
  const std::string fill = c.bound.string(1, " ");
  if (count_characters(fill) != 1) c.rt.fail("the fill character is one character");
  const int64_t width = c.bound.integer(0, 0);
  const int64_t missing = std::max<int64_t>(0, width - count_characters(text));
  c.rt.reserve(static_cast<size_t>(missing) * fill.size());
  int64_t before = right ? 0 : missing;
  if (left && right) before = missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < before; ++i) out += fill;
  out += text;
  for (int64_t i = before; i < missing; ++i) out += fill;
  return make_text(c.rt, std::move(out));
}

Value zfill(const MethodCall& c) {
  std::string text = text_of(c);
  const int64_t missing = c.bound.integer(0, 0) - count_characters(text);
  if (missing <= 0) return c.self;
  c.rt.reserve(static_cast<size_t>(missing));
  const size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  return make_text(c.rt, text.insert(sign, static_cast<size_t>(missing), '0'));
}

Value join(const MethodCall& c) {
  std::string out;
  bool first = true;
  for (const Value& item : iterate(c.rt, c.bound.required(0))) {
    if (!item.is_string()) c.rt.fail("join takes strings, not '{}'", type_name(item));
    if (!first) out += c.self.string();
    first = false;
    out += item.string();
    c.rt.step(1 + static_cast<int64_t>((c.self.string().size() + item.string().size()) / 64));
    if (!c.rt.meter().fits(out.size())) c.rt.reserve(out.size());
  }
  return make_text(c.rt, std::move(out));
}

Value format(const MethodCall& c) { return brace_format(c.rt, c.self.string(), c.arguments); }

Value encode(const MethodCall& c) {
  const std::string name = to_lower(c.bound.string(0, "utf-8"));
  if (name != "utf-8" && name != "utf8") c.rt.fail("encode: only utf-8 is known");
  return make_text(c.rt, c.self.string(), TextKind::kBytes);
}

constexpr std::array kTable = {
    MethodEntry{"upper", "", mapped<to_upper>},
    MethodEntry{"lower", "", mapped<to_lower>},
    MethodEntry{"casefold", "", mapped<to_lower>},
    MethodEntry{"title", "", mapped<to_title>},
    MethodEntry{"capitalize", "", mapped<to_capitalized>},
    MethodEntry{"swapcase", "", mapped<swap_case>},
    MethodEntry{"strip", "chars", stripped<Sides::kBoth>},
    MethodEntry{"lstrip", "chars", stripped<Sides::kLeft>},
    MethodEntry{"rstrip", "chars", stripped<Sides::kRight>},
    MethodEntry{"isspace", "",
                [](const MethodCall& c) { return Value(all_characters(c, is_space)); }},
    MethodEntry{"isalpha", "",
                [](const MethodCall& c) { return Value(all_characters(c, is_alphabetic)); }},
    MethodEntry{"isdigit", "",
                [](const MethodCall& c) { return Value(all_characters(c, is_digit)); }},
    MethodEntry{"isnumeric", "",
                [](const MethodCall& c) { return Value(all_characters(c, is_digit)); }},
    MethodEntry{"isdecimal", "",
                [](const MethodCall& c) { return Value(all_characters(c, is_decimal)); }},
    MethodEntry{"isalnum", "",
                [](const MethodCall& c) {
                  return Value(all_characters(
                      c, [](char32_t ch) { return is_alphabetic(ch) || is_digit(ch); }));
                }},
    MethodEntry{"isascii", "",
                [](const MethodCall& c) {
                  return Value(c.self.string().empty() ||
                               all_characters(c, [](char32_t ch) { return ch < 0x80; }));
                }},
    MethodEntry{"isupper", "", [](const MethodCall& c) { return Value(all_cased(c, is_upper)); }},
    MethodEntry{"islower", "", [](const MethodCall& c) { return Value(all_cased(c, is_lower)); }},
    MethodEntry{"ljust", "width fillchar",
                [](const MethodCall& c) { return padded(c, false, true); }},
    MethodEntry{"rjust", "width fillchar",
                [](const MethodCall& c) { return padded(c, true, false); }},
    MethodEntry{"center", "width fillchar",
                [](const MethodCall& c) { return padded(c, true, true); }},
    MethodEntry{"zfill", "width", zfill},
    MethodEntry{"join", "iterable", join},
    MethodEntry{"format", "*", format},
    MethodEntry{"encode", "encoding", encode},
};

}  // namespace

std::span<const MethodEntry> string_methods() { return kTable; }

}  // namespace tandem::jinja
