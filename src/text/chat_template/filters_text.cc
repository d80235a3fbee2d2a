// Filters that make text.
#include <algorithm>
#include <array>

#include "text/chat_template/filters.h"
#include "text/chat_template/print.h"
#include "text/chat_template/unicode.h"

namespace tandem::jinja {
namespace {

std::string input_text(const FilterCall& c) {
  std::string text = str(c.rt, c.value);
  c.rt.reserve(text.size() * 5);  // code points, longer case mappings
  return text;
}

template <std::string (*kMap)(std::string_view)>
Value mapped(const FilterCall& c) {
  return make_text(c.rt, kMap(input_text(c)));
}

Value trim(const FilterCall& c) {
  const std::string text = input_text(c);
  if (!c.bound.given_not_none(0)) return make_text(c.rt, std::string(strip(text, Sides::kBoth)));
  const std::string chars = c.bound.string(0);
  c.rt.step(static_cast<int64_t>(text.size() * chars.size() / 64));
  return make_text(c.rt, std::string(strip(text, Sides::kBoth, chars)));
}

Value to_string(const FilterCall& c) {
  if (c.value.is_string()) return c.value;
  return make_text(c.rt, str(c.rt, c.value));
}

Value replace(const FilterCall& c) {
  Arguments arguments;
  arguments.positional = {make_text(c.rt, str(c.rt, c.bound.required(0))),
                          make_text(c.rt, str(c.rt, c.bound.required(1)))};
  if (c.bound.given_not_none(2)) arguments.positional.push_back(c.bound.get(2));
  return call(c.rt, *find_method(c.rt, to_string(c), "replace"), arguments);
}

Value tojson(const FilterCall& c) {
  JsonStyle style;
  style.ensure_ascii = c.bound.truth(0, false);
  if (c.bound.given_not_none(1)) {
    const Value indent = c.bound.get(1);
    const int64_t width = indent.is_integral() ? c.bound.integer(1, 0) : 0;
    if (width > 100) c.rt.fail("tojson: an indent beyond 100");
    style.indent = indent.is_string()
                       ? indent.string()
                       : std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
    style.item_separator = ",";
  }
  if (c.bound.given_not_none(2)) {
    const Items pair = iterate(c.rt, c.bound.get(2));
    if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      c.rt.fail("tojson: separators is a pair of strings");
    }
    style.item_separator = pair[0].string();
    style.key_separator = pair[1].string();
  }
  style.sort_keys = c.bound.truth(3, false);
  return make_text(c.rt, to_json(c.rt, c.value, style));
}

Value indent(const FilterCall& c) {
  const Value width = c.bound.has(0) ? c.bound.get(0) : Value(Int{4});
  std::string prefix;
  if (width.is_string()) {
    prefix = width.string();
  } else {
    const int64_t n = to_index(c.rt, width, "indent: width");
    if (n > 1000) c.rt.fail("indent: a width beyond 1000");
    prefix.assign(static_cast<size_t>(std::max<int64_t>(n, 0)), ' ');
  }
  const bool first = c.bound.truth(1, false);
  const bool blank = c.bound.truth(2, false);
  const std::string text = input_text(c);
  std::string out = first ? prefix : "";
  for (size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (text[i] != '\n') continue;
    const bool empty = i + 1 == text.size() || text[i + 1] == '\n';
    if (blank || !empty) out += prefix;
    c.rt.reserve(prefix.size());
    if (!c.rt.meter().fits(out.size())) c.rt.reserve(out.size());
  }
  return make_text(c.rt, std::move(out));
}

Value wordcount(const FilterCall& c) {
  Int words = 0;
  bool inside = false;
  for (const char32_t ch : to_code_points(input_text(c))) {
    const bool word = is_alphabetic(ch) || is_decimal(ch) || ch == U'_';
    if (word && !inside) ++words;
    inside = word;
  }
  return Value(words);
}

Value truncate(const FilterCall& c) {
  const int64_t length = c.bound.integer(0, 255);
  const bool killwords = c.bound.truth(1, false);
  const std::u32string end = to_code_points(c.bound.string(2, "..."));
  const int64_t leeway = c.bound.integer(3, 5);
  const auto end_size = static_cast<int64_t>(end.size());
  if (length < end_size || leeway < 0) c.rt.fail("truncate: length and leeway are too small");
  std::u32string text = to_code_points(input_text(c));
  if (static_cast<int64_t>(text.size()) <= length ||
      static_cast<int64_t>(text.size()) - length <= leeway) {
    return make_text(c.rt, to_utf8(text));
  }
  text.resize(static_cast<size_t>(length - end_size));
  if (!killwords) text.resize(std::min(text.rfind(U' '), text.size()));
  return make_text(c.rt, to_utf8(text + end));
}

Value center(const FilterCall& c) {
  const std::string text = input_text(c);
  const int64_t missing = c.bound.integer(0, 80) - count_characters(text);
  if (missing <= 0) return make_text(c.rt, text);
  c.rt.reserve(static_cast<size_t>(missing));
  const auto n = static_cast<size_t>(missing);
  // Python puts the odd space to the left when the width is odd.
  const size_t left = n / 2 + (n & static_cast<size_t>(c.bound.integer(0, 80)) & 1);
  return make_text(c.rt, std::string(left, ' ') + text + std::string(n - left, ' '));
}

Value format(const FilterCall& c) {
  const std::string text = input_text(c);
  if (c.arguments.named.empty()) {
    return percent_format(c.rt, text, make_tuple(c.rt, c.arguments.positional));
  }
  Entries entries;
  for (auto& [name, value] : c.arguments.named) put(c.rt, entries, make_text(c.rt, name), value);
  return percent_format(c.rt, text, make_dict(c.rt, std::move(entries)));
}

Value escape(const FilterCall& c) {
  return make_text(c.rt, escaped(c.rt, c.value), TextKind::kMarkup);
}

Value safe(const FilterCall& c) { return make_text(c.rt, str(c.rt, c.value), TextKind::kMarkup); }

Value join(const FilterCall& c) {
  const std::string separator = c.bound.has(0) ? str(c.rt, c.bound.get(0)) : "";
  std::string out;
  bool first = true;
  for (const Value& item : iterate(c.rt, c.value)) {
    const Value part =
        c.bound.given_not_none(1) ? attribute_path(c.rt, item, c.bound.get(1)) : item;
    if (!first) out += separator;
    first = false;
    out += str(c.rt, part);
    c.rt.step(static_cast<int64_t>(separator.size() / 64));
    if (!c.rt.meter().fits(out.size())) c.rt.reserve(out.size());
  }
  return make_text(c.rt, std::move(out));
}

constexpr std::array kTable = {
    FilterEntry{"upper", "", mapped<to_upper>},
    FilterEntry{"lower", "", mapped<to_lower>},
    FilterEntry{"title", "", mapped<to_title>},
    FilterEntry{"capitalize", "", mapped<to_capitalized>},
    FilterEntry{"trim", "chars", trim},
    FilterEntry{"string", "", to_string},
    FilterEntry{"replace", "old new count", replace},
    FilterEntry{"tojson", "ensure_ascii indent separators sort_keys", tojson},
    FilterEntry{"indent", "width first blank", indent},
    FilterEntry{"wordcount", "", wordcount},
    FilterEntry{"truncate", "length killwords end leeway", truncate},
    FilterEntry{"center", "width", center},
    FilterEntry{"format", "*", format},
    FilterEntry{"escape", "", escape},
    FilterEntry{"e", "", escape},
    FilterEntry{"forceescape", "", escape},
    FilterEntry{"safe", "", safe},
    FilterEntry{"join", "d attribute", join},
};

}  // namespace

std::span<const FilterEntry> text_filters() { return kTable; }

}  // namespace tandem::jinja
