// Methods of str that look for other strings.
#include <algorithm>
#include <array>

#include "text/chat_template/methods.h"
#include "text/chat_template/unicode.h"

namespace tandem::jinja {
namespace {

constexpr size_t kNowhere = std::string::npos;

/// self and the first argument, both charged; a search may visit every byte of self.
const std::string& searched(const MethodCall& c) {
  c.rt.step(1 + static_cast<int64_t>(c.self.string().size() / 16));
  return c.self.string();
}

/// Python's start and end: positions in characters, as byte offsets into the text.
struct Window {
  size_t begin, end;
  bool empty;  ///< start behind end: not even the empty string is found
};

Window window(const MethodCall& c, size_t first) {
  const std::string& text = searched(c);
  if (!c.bound.given_not_none(first) && !c.bound.given_not_none(first + 1)) {
    return {0, text.size(), false};
  }
  const int64_t count = count_characters(text);
  const auto clamped = [&](size_t i, int64_t fallback) {
    int64_t at = c.bound.given_not_none(i) ? c.bound.integer(i, fallback) : fallback;
    if (at < 0) at = std::max<int64_t>(0, at + count);
    return at;
  };
  const int64_t start = clamped(first, 0);
  const int64_t stop = std::min(clamped(first + 1, count), count);
  if (start > stop) return {0, 0, true};
  size_t begin = 0;
  size_t end = 0;
  for (int64_t i = 0; i < stop; ++i) {
    if (i == start) begin = end;
    end += sequence_length(text, end);
  }
  return {start == stop ? end : begin, end, false};
}

Value found_at(const MethodCall& c, bool last, bool must) {
  const Window w = window(c, 1);
  const std::string& text = c.self.string();
  const std::string& what = c.bound.string(0);
  size_t at = kNowhere;
  if (!w.empty) {
    const std::string_view part = std::string_view(text).substr(w.begin, w.end - w.begin);
    at = last ? part.rfind(what) : part.find(what);
  }
  if (at == kNowhere) {
    if (must) c.rt.fail("index: the substring is not found");
    return Value(Int{-1});
  }
  return Value(Int{count_characters(std::string_view(text).substr(0, w.begin + at))});
}

Value count(const MethodCall& c) {
  const Window w = window(c, 1);
  if (w.empty) return Value(Int{0});
  const std::string_view text = std::string_view(c.self.string()).substr(w.begin, w.end - w.begin);
  const std::string& what = c.bound.string(0);
  if (what.empty()) return Value(Int{count_characters(text) + 1});
  Int n = 0;
  for (size_t at = 0; (at = text.find(what, at)) != kNowhere; at += what.size()) ++n;
  return Value(n);
}

/// startswith, endswith: one string or a tuple of them.
Value has_affix(const MethodCall& c, bool at_end) {
  const Window w = window(c, 1);
  if (w.empty) return Value(false);
  const std::string_view text = std::string_view(c.self.string()).substr(w.begin, w.end - w.begin);
  const Value& affix = c.bound.required(0);
  const auto matches = [&](const Value& value) {
    require_defined(c.rt, value);
    if (!value.is_string()) {
      c.rt.fail("startswith and endswith take a string or a tuple of strings, not '{}'",
                type_name(value));
    }
    return at_end ? text.ends_with(value.string()) : text.starts_with(value.string());
  };
  if (!affix.is_sequence(SequenceKind::kTuple)) return Value(matches(affix));
  const Items& items = affix.sequence().items;
  c.rt.step(static_cast<int64_t>(items.size()));
  return Value(std::any_of(items.begin(), items.end(), matches));
}

Value without_affix(const MethodCall& c, bool at_end) {
  const std::string& text = searched(c);
  const std::string& affix = c.bound.string(0);
  const bool present = at_end ? text.ends_with(affix) : text.starts_with(affix);
  if (!present) return c.self;
  return make_text(c.rt, text.substr(at_end ? 0 : affix.size(), text.size() - affix.size()));
}

Value replace(const MethodCall& c) {
  const std::string& text = searched(c);
  const std::string& from = c.bound.string(0);
  const std::string& to = c.bound.string(1);
  int64_t left = c.bound.integer(2, -1);
  std::string out;
  size_t at = 0;
  const auto put = [&](std::string_view part) {
    c.rt.step(1 + static_cast<int64_t>(part.size() / 64));
    out += part;
    if (!c.rt.meter().fits(out.size())) c.rt.reserve(out.size());
  };
  while (left != 0) {
    const size_t next = from.empty() ? at : text.find(from, at);
    if (next == kNowhere) break;
    out.append(text, at, next - at);
    put(to);
    at = next + from.size();
    if (left > 0) --left;
    if (!from.empty()) continue;
    // An empty pattern stands before every character and at the end.
    if (at >= text.size()) break;
    const size_t n = sequence_length(text, at);
    put(std::string_view(text).substr(at, n));
    at += n;
  }
  if (at < text.size()) out.append(text, at);
  return make_text(c.rt, std::move(out));
}

Value words(const MethodCall& c, int64_t limit) {
  std::string_view rest = strip(searched(c), Sides::kLeft);
  Items parts;
  while (!rest.empty()) {
    if (limit == 0) {
      parts.push_back(make_text(c.rt, std::string(strip(rest, Sides::kRight))));
      break;
    }
    size_t end = 0;
    while (end < rest.size()) {
      const size_t n = sequence_length(rest, end);
      if (strip(rest.substr(end, n), Sides::kLeft).empty()) break;
      end += n;
    }
    parts.push_back(make_text(c.rt, std::string(rest.substr(0, end))));
    rest = strip(rest.substr(end), Sides::kLeft);
    if (limit > 0) --limit;
  }
  return make_sequence(c.rt, std::move(parts));
}

Value split(const MethodCall& c) {
  int64_t limit = c.bound.integer(1, -1);
  if (!c.bound.given_not_none(0)) return words(c, limit);
  const std::string& text = searched(c);
  const std::string& separator = c.bound.string(0);
  if (separator.empty()) c.rt.fail("split: the separator is empty");
  Items parts;
  size_t at = 0;
  for (; limit != 0; --limit) {
    const size_t next = text.find(separator, at);
    if (next == kNowhere) break;
    parts.push_back(make_text(c.rt, text.substr(at, next - at)));
    at = next + separator.size();
  }
  parts.push_back(make_text(c.rt, text.substr(at)));
  return make_sequence(c.rt, std::move(parts));
}

Value rsplit(const MethodCall& c) {
  int64_t limit = c.bound.integer(1, -1);
  if (!c.bound.given_not_none(0)) {
    if (limit >= 0) c.rt.fail("rsplit without a separator but with a limit is not known");
    return words(c, -1);
  }
  const std::string& text = searched(c);
  const std::string& separator = c.bound.string(0);
  if (separator.empty()) c.rt.fail("rsplit: the separator is empty");
  Items parts;
  std::string_view rest = text;
  for (; limit != 0; --limit) {
    const size_t at = rest.rfind(separator);
    if (at == kNowhere) break;
    parts.push_back(make_text(c.rt, std::string(rest.substr(at + separator.size()))));
    rest = rest.substr(0, at);
  }
  parts.push_back(make_text(c.rt, std::string(rest)));
  std::reverse(parts.begin(), parts.end());
  return make_sequence(c.rt, std::move(parts));
}

bool ends_line(char32_t c) {
  return (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

Value splitlines(const MethodCall& c) {
  const std::string& text = searched(c);
  c.rt.reserve(text.size() * 5);
  const bool keep_ends = c.bound.truth(0, false);
  const std::u32string characters = to_code_points(text);
  Items lines;
  for (size_t begin = 0; begin < characters.size();) {
    size_t end = begin;
    while (end < characters.size() && !ends_line(characters[end])) ++end;
    size_t next = std::min(end + 1, characters.size());
    if (next < characters.size() && characters[end] == U'\r' && characters[next] == U'\n') ++next;
    const size_t stop = keep_ends ? next : end;
    lines.push_back(
        make_text(c.rt, to_utf8(std::u32string_view(characters).substr(begin, stop - begin))));
    begin = next;
  }
  return make_sequence(c.rt, std::move(lines));
}

Value partition(const MethodCall& c, bool last) {
  const std::string& text = searched(c);
  const std::string& separator = c.bound.string(0);
  if (separator.empty()) c.rt.fail("partition: the separator is empty");
  const size_t at = last ? text.rfind(separator) : text.find(separator);
  const auto piece = [&](std::string part) { return make_text(c.rt, std::move(part)); };
  if (at == kNowhere) {
    if (last) return make_tuple(c.rt, {piece(""), piece(""), c.self});
    return make_tuple(c.rt, {c.self, piece(""), piece("")});
  }
  return make_tuple(c.rt, {piece(text.substr(0, at)), piece(separator),
                           piece(text.substr(at + separator.size()))});
}

constexpr std::array kTable = {
    MethodEntry{"find", "sub start end",
                [](const MethodCall& c) { return found_at(c, false, false); }},
    MethodEntry{"rfind", "sub start end",
                [](const MethodCall& c) { return found_at(c, true, false); }},
    MethodEntry{"index", "sub start end",
                [](const MethodCall& c) { return found_at(c, false, true); }},
    MethodEntry{"rindex", "sub start end",
                [](const MethodCall& c) { return found_at(c, true, true); }},
    MethodEntry{"count", "sub start end", count},
    MethodEntry{"startswith", "prefix start end",
                [](const MethodCall& c) { return has_affix(c, false); }},
    MethodEntry{"endswith", "suffix start end",
                [](const MethodCall& c) { return has_affix(c, true); }},
    MethodEntry{"removeprefix", "prefix",
                [](const MethodCall& c) { return without_affix(c, false); }},
    MethodEntry{"removesuffix", "suffix",
                [](const MethodCall& c) { return without_affix(c, true); }},
    MethodEntry{"replace", "old new count", replace},
    MethodEntry{"split", "sep maxsplit", split},
    MethodEntry{"rsplit", "sep maxsplit", rsplit},
    MethodEntry{"splitlines", "keepends", splitlines},
    MethodEntry{"partition", "sep", [](const MethodCall& c) { return partition(c, false); }},
    MethodEntry{"rpartition", "sep", [](const MethodCall& c) { return partition(c, true); }},
};

}  // namespace

std::span<const MethodEntry> string_search_methods() { return kTable; }

}  // namespace tandem::jinja
