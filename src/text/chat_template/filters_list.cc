// Filters over lists and dictionaries.
#include <algorithm>
#include <array>

#include "text/chat_template/filters.h"
#include "text/chat_template/print.h"
#include "text/chat_template/unicode.h"

namespace tandem::jinja {
namespace {

/// What an item is sorted or told apart by: its attribute, without case unless asked for.
Value sort_key(Runtime& rt, const Value& item, const Value& attribute, bool case_sensitive) {
  Value key = attribute.is_none() ? item : attribute_path(rt, item, attribute);
  if (!case_sensitive && key.is_string()) return make_text(rt, to_lower(key.string()));
  return key;
}

struct Keyed {
  Value key;
  Value item;
};

std::vector<Keyed> keyed(const FilterCall& c, const Value& attribute, bool case_sensitive) {
  std::vector<Keyed> result;
  for (Value& item : iterate(c.rt, c.value)) {
    Value key = sort_key(c.rt, item, attribute, case_sensitive);
    result.push_back(Keyed{std::move(key), std::move(item)});
  }
  return result;
}

/// Stable in both directions, as Python's sort.
void sort_keyed(Runtime& rt, std::vector<Keyed>& items, bool reverse) {
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) {
    return reverse ? less(rt, b.key, a.key) : less(rt, a.key, b.key);
  });
}

Items without_keys(std::vector<Keyed> items) {
  Items result;
  for (Keyed& entry : items) result.push_back(std::move(entry.item));
  return result;
}

Value sort(const FilterCall& c) {
  const Value attribute = c.bound.get(2);
  const bool case_sensitive = c.bound.truth(1, false);
  std::vector<Keyed> items;
  if (attribute.is_string() && attribute.string().find(',') != std::string::npos) {
    c.rt.fail("sort by several attributes is not known");
  }
  items = keyed(c, attribute, case_sensitive);
  sort_keyed(c.rt, items, c.bound.truth(0, false));
  return make_sequence(c.rt, without_keys(std::move(items)));
}

Value dictsort(const FilterCall& c) {
  if (!c.value.is_dict()) c.rt.fail("dictsort needs a dict, not '{}'", type_name(c.value));
  const std::string by = c.bound.string(1, "key");
  if (by != "key" && by != "value") c.rt.fail("dictsort: by is 'key' or 'value'");
  std::vector<Keyed> items;
  for (const auto& [key, value] : c.value.dict().items) {
    items.push_back(
        Keyed{sort_key(c.rt, by == "key" ? key : value, Value(), c.bound.truth(0, false)),
              make_tuple(c.rt, {key, value})});
  }
  sort_keyed(c.rt, items, c.bound.truth(2, false));
  return make_sequence(c.rt, without_keys(std::move(items)));
}

Value unique(const FilterCall& c) {
  std::vector<Keyed> items = keyed(c, c.bound.get(1), c.bound.truth(0, false));
  Items seen;
  Items result;
  for (Keyed& entry : items) {
    const bool known = std::any_of(seen.begin(), seen.end(), [&](const Value& other) {
      return equal(c.rt, other, entry.key);
    });
    if (known) continue;
    seen.push_back(std::move(entry.key));
    result.push_back(std::move(entry.item));
  }
  return make_generator(c.rt, std::move(result));
}

Value extreme(const FilterCall& c, bool largest) {
  std::vector<Keyed> items = keyed(c, c.bound.get(1), c.bound.truth(0, false));
  if (items.empty()) return make_undefined("there is no item, so no smallest or largest one");
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i) {
    const bool better = largest ? less(c.rt, items[best].key, items[i].key)
                                : less(c.rt, items[i].key, items[best].key);
    if (better) best = i;
  }
  return items[best].item;
}

Value group_by(const FilterCall& c) {
  std::vector<Keyed> items;
  for (Value& item : iterate(c.rt, c.value)) {
    Value key = attribute_path(c.rt, item, c.bound.required(0));
    if (key.is_undefined() && c.bound.has(1)) key = c.bound.get(1);
    if (!c.bound.truth(2, false) && key.is_string()) key = make_text(c.rt, to_lower(key.string()));
    items.push_back(Keyed{std::move(key), std::move(item)});
  }
  sort_keyed(c.rt, items, false);
  Items groups;
  for (size_t begin = 0; begin < items.size();) {
    size_t end = begin;
    Items members;
    while (end < items.size() && equal(c.rt, items[end].key, items[begin].key)) {
      members.push_back(items[end++].item);
    }
    // The group is named by its first member, in that one's own case.
    Value name = attribute_path(c.rt, members[0], c.bound.required(0));
    if (name.is_undefined()) name = items[begin].key;
    const Value list = make_sequence(c.rt, std::move(members));
    const Value pair = make_tuple(c.rt, {std::move(name), list});
    auto group = std::make_shared<Sequence>();
    group->items = pair.sequence().items;
    group->kind = SequenceKind::kTuple;
    group->depth = pair.depth();
    group->group = true;
    groups.emplace_back(std::shared_ptr<const Sequence>(std::move(group)));
    begin = end;
  }
  return make_sequence(c.rt, std::move(groups));
}

Value batch(const FilterCall& c) {
  const int64_t size = c.bound.integer(0, 0);
  if (size < 1) c.rt.fail("batch: the size is at least 1");
  Items result;
  Items current;
  for (Value& item : iterate(c.rt, c.value)) {
    current.push_back(std::move(item));
    if (static_cast<int64_t>(current.size()) < size) continue;
    result.push_back(make_sequence(c.rt, std::exchange(current, {})));
  }
  if (!current.empty()) {
    const auto missing = static_cast<size_t>(size) - current.size();
    if (c.bound.given_not_none(1)) {
      c.rt.reserve(missing * sizeof(Value));
      current.insert(current.end(), missing, c.bound.get(1));
    }
    result.push_back(make_sequence(c.rt, std::move(current)));
  }
  return make_generator(c.rt, std::move(result));
}

Value slices(const FilterCall& c) {
  const int64_t count = c.bound.integer(0, 0);
  if (count < 1 || count > c.rt.limits().range_length) c.rt.fail("slice: a number of parts > 0");
  const Items items = iterate(c.rt, c.value);
  const auto parts = static_cast<size_t>(count);
  const size_t size = items.size() / parts;
  const size_t longer = items.size() % parts;
  Items result;
  size_t at = 0;
  for (size_t i = 0; i < parts; ++i) {
    const size_t n = size + (i < longer ? 1 : 0);
    Items part(items.begin() + static_cast<ptrdiff_t>(at),
               items.begin() + static_cast<ptrdiff_t>(at + n));
    if (c.bound.given_not_none(1) && i >= longer) part.push_back(c.bound.get(1));
    result.push_back(make_sequence(c.rt, std::move(part)));
    at += n;
  }
  return make_generator(c.rt, std::move(result));
}

Value first(const FilterCall& c) {
  Items items = iterate(c.rt, c.value);
  return items.empty() ? make_undefined("no first item: the sequence is empty") : items.front();
}

Value last(const FilterCall& c) {
  if (c.value.is_sequence(SequenceKind::kGenerator)) c.rt.fail("'generator' is not reversible");
  Items items = iterate(c.rt, c.value);
  return items.empty() ? make_undefined("no last item: the sequence is empty") : items.back();
}

Value reverse(const FilterCall& c) {
  if (c.value.is_string()) return get_slice(c.rt, c.value, {std::nullopt, std::nullopt, -1});
  Items items = iterate(c.rt, c.value);
  std::reverse(items.begin(), items.end());
  return make_generator(c.rt, std::move(items));
}

Value items(const FilterCall& c) {
  if (c.value.is_undefined()) return make_generator(c.rt, {});
  if (!c.value.is_dict()) c.rt.fail("items needs a dict, not '{}'", type_name(c.value));
  Items pairs;
  for (const auto& [key, value] : c.value.dict().items) {
    pairs.push_back(make_tuple(c.rt, {key, value}));
  }
  return make_generator(c.rt, std::move(pairs));
}

Value count(const FilterCall& c) { return Value(Int{length(c.rt, c.value)}); }

Value list(const FilterCall& c) { return make_sequence(c.rt, iterate(c.rt, c.value)); }

constexpr std::array kTable = {
    FilterEntry{"sort", "reverse case_sensitive attribute", sort},
    FilterEntry{"dictsort", "case_sensitive by reverse", dictsort},
    FilterEntry{"unique", "case_sensitive attribute", unique},
    FilterEntry{"max", "case_sensitive attribute",
                [](const FilterCall& c) { return extreme(c, true); }},
    FilterEntry{"min", "case_sensitive attribute",
                [](const FilterCall& c) { return extreme(c, false); }},
    FilterEntry{"groupby", "attribute default case_sensitive", group_by},
    FilterEntry{"batch", "linecount fill_with", batch},
    FilterEntry{"slice", "slices fill_with", slices},
    FilterEntry{"first", "", first},
    FilterEntry{"last", "", last},
    FilterEntry{"reverse", "", reverse},
    FilterEntry{"items", "", items},
    FilterEntry{"length", "", count},
    FilterEntry{"count", "", count},
    FilterEntry{"list", "", list},
};

}  // namespace

std::span<const FilterEntry> list_filters() { return kTable; }

}  // namespace tandem::jinja
