#include "text/chat_template/methods.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tandem::jinja {
namespace {

Value dict_view(const MethodCall& c, std::string name, const auto& part) {
  Items items;
  c.rt.reserve(c.self.dict().items.size() * sizeof(Value));
  for (const auto& entry : c.self.dict().items) items.push_back(part(entry));
  return make_sequence(c.rt, std::move(items), SequenceKind::kView, std::move(name));
}

Value dict_items(const MethodCall& c) {
  return dict_view(c, "dict_items", [&](const auto& entry) {
    return make_tuple(c.rt, {entry.first, entry.second});
  });
}

Value dict_keys(const MethodCall& c) {
  return dict_view(c, "dict_keys", [](const auto& entry) { return entry.first; });
}

Value dict_values(const MethodCall& c) {
  return dict_view(c, "dict_values", [](const auto& entry) { return entry.second; });
}

Value dict_get(const MethodCall& c) {
  const Value* found = find(c.rt, c.self.dict(), c.bound.required(0));
  return found != nullptr ? *found : c.bound.get(1);
}

Value same(const MethodCall& c) { return c.self; }

Value list_count(const MethodCall& c) {
  Int n = 0;
  for (const Value& item : c.self.sequence().items) {
    if (equal(c.rt, item, c.bound.required(0))) ++n;
  }
  return Value(n);
}

Value list_index(const MethodCall& c) {
  const Items& items = c.self.sequence().items;
  for (size_t i = 0; i < items.size(); ++i) {
    if (equal(c.rt, items[i], c.bound.required(0))) return Value(static_cast<Int>(i));
  }
  c.rt.fail("index: the value is not in the list");
}

Value is_integer(const MethodCall& c) {
  return Value(c.self.is_integral() || c.self.number() == std::floor(c.self.number()));
}

constexpr std::array kDict = {
    MethodEntry{"items", "", dict_items},   MethodEntry{"keys", "", dict_keys},
    MethodEntry{"values", "", dict_values}, MethodEntry{"get", "key default", dict_get},
    MethodEntry{"copy", "", same},
};
constexpr std::array kList = {
    MethodEntry{"count", "value", list_count},
    MethodEntry{"index", "value", list_index},
    MethodEntry{"copy", "", same},
};
constexpr std::array kNumber = {
    MethodEntry{"is_integer", "", is_integer},
};

const MethodEntry* find_in(std::span<const MethodEntry> table, std::string_view name) {
  const auto at = std::find_if(table.begin(), table.end(),
                               [&](const MethodEntry& entry) { return entry.name == name; });
  return at == table.end() ? nullptr : &*at;
}

const MethodEntry* find_entry(const Value& value, std::string_view name) {
  if (value.is_string()) {
    const MethodEntry* entry = find_in(string_methods(), name);
    return entry != nullptr ? entry : find_in(string_search_methods(), name);
  }
  if (value.is_dict()) return find_in(kDict, name);
  if (value.is_sequence() && value.sequence().kind <= SequenceKind::kRange) {
    return find_in(kList, name);
  }
  return value.is_float() ? find_in(kNumber, name) : nullptr;
}

}  // namespace

bool is_refused_method(const Value& value, std::string_view name) {
  static constexpr std::array<std::string_view, 8> kListNames = {
      "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"};
  static constexpr std::array<std::string_view, 5> kDictNames = {"clear", "pop", "popitem",
                                                                 "setdefault", "update"};
  const auto has = [&](const auto& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (value.is_dict()) return has(kDictNames);
  return value.is_sequence(SequenceKind::kList) && has(kListNames);
}

std::optional<Value> find_method(Runtime& rt, const Value& value, const std::string& name) {
  const MethodEntry* entry = find_entry(value, name);
  if (entry == nullptr) return std::nullopt;
  return make_callable(
      rt, name,
      [&rt, value, entry](Arguments& arguments) {
        Arguments none;
        const bool anything = entry->parameters == "*";
        const Bound bound(rt, fmt::format("{}.{}", type_name(value), entry->name),
                          anything ? "" : entry->parameters, anything ? none : arguments);
        return entry->call(MethodCall{rt, value, bound, arguments});
      },
      value.depth() + 1);
}

}  // namespace tandem::jinja
