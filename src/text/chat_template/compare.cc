// Python's ==, <, `in`, and dictionary keys.
#include <algorithm>
#include <cmath>

#include "text/chat_template/value.h"

namespace tandem::jinja {
namespace {

bool hashable(Runtime& rt, const Value& value) {
  rt.step();
  if (value.is_dict()) return false;
  if (!value.is_sequence()) return true;
  if (value.sequence().kind == SequenceKind::kList) return false;
  return std::all_of(value.sequence().items.begin(), value.sequence().items.end(),
                     [&](const Value& item) { return hashable(rt, item); });
}

bool equal_numbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return a.integer() == b.integer();
  if (a.is_float() && b.is_float()) return a.number() == b.number();
  // An int and a float are equal when the float is exactly that int.
  const double real = a.is_float() ? a.number() : b.number();
  const Int whole = a.is_float() ? b.integer() : a.integer();
  if (std::floor(real) != real || std::abs(real) > 1e38) return false;
  return static_cast<Int>(real) == whole;
}

bool equal_sequences(Runtime& rt, const Sequence& a, const Sequence& b) {
  if (&a == &b) return true;
  if (a.kind != b.kind || a.items.size() != b.items.size()) return false;
  if (a.kind == SequenceKind::kGenerator || a.kind == SequenceKind::kView) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!equal(rt, a.items[i], b.items[i])) return false;
  }
  return true;
}

bool equal_dicts(Runtime& rt, const Dict& a, const Dict& b) {
  if (&a == &b) return true;
  if (a.items.size() != b.items.size()) return false;
  for (const auto& [key, value] : a.items) {
    const Value* other = find(rt, b, key);
    if (other == nullptr || !equal(rt, value, *other)) return false;
  }
  return true;
}

bool less_sequences(Runtime& rt, const Sequence& a, const Sequence& b) {
  const size_t n = std::min(a.items.size(), b.items.size());
  for (size_t i = 0; i < n; ++i) {
    if (!equal(rt, a.items[i], b.items[i])) return less(rt, a.items[i], b.items[i]);
  }
  return a.items.size() < b.items.size();
}

}  // namespace

bool equal(Runtime& rt, const Value& a, const Value& b) {
  rt.step();
  if (a.is_number() && b.is_number()) return equal_numbers(a, b);
  if (a.is_text() && b.is_text()) {
    rt.step(static_cast<int64_t>(std::min(a.string().size(), b.string().size()) / 64));
    return a.is_string() == b.is_string() && a.string() == b.string();
  }
  if (a.is_sequence() && b.is_sequence()) return equal_sequences(rt, a.sequence(), b.sequence());
  if (a.is_dict() && b.is_dict()) return equal_dicts(rt, a.dict(), b.dict());
  if (a.is_undefined() && b.is_undefined()) return true;
  return a.same(b);
}

bool less(Runtime& rt, const Value& a, const Value& b) {
  rt.step();
  require_defined(rt, a);
  require_defined(rt, b);
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.integer() < b.integer();
    return a.number() < b.number();
  }
  // UTF-8 bytes sort as code points do.
  if (a.is_text() && b.is_text() && a.is_string() == b.is_string()) return a.string() < b.string();
  if (a.is_sequence() && b.is_sequence() && a.sequence().kind == b.sequence().kind &&
      a.sequence().kind <= SequenceKind::kTuple) {
    return less_sequences(rt, a.sequence(), b.sequence());
  }
  rt.fail("'{}' and '{}' have no order between them", type_name(a), type_name(b));
}

bool contains(Runtime& rt, const Value& container, const Value& item) {
  if (container.is_string()) {
    require_defined(rt, item);
    if (!item.is_string()) {
      rt.fail("'in' a string asks for a string, not '{}'", type_name(item));
    }
    rt.step(static_cast<int64_t>(container.string().size() / 64));
    return container.string().find(item.string()) != std::string::npos;
  }
  if (container.is_dict()) return find(rt, container.dict(), item) != nullptr;
  const Items items = iterate(rt, container);
  return std::any_of(items.begin(), items.end(),
                     [&](const Value& other) { return equal(rt, other, item); });
}

const Value* find(Runtime& rt, const Dict& dict, const Value& key) {
  if (!hashable(rt, key)) rt.fail("unhashable type: '{}'", type_name(key));
  if (key.is_string()) return find(rt, dict, key.string());
  for (const auto& [name, value] : dict.items) {
    if (equal(rt, name, key)) return &value;
  }
  return nullptr;
}

const Value* find(Runtime& rt, const Dict& dict, std::string_view key) {
  rt.step(1 + static_cast<int64_t>(dict.items.size() / 16));
  for (const auto& [name, value] : dict.items) {
    if (name.is_string() && name.string() == key) return &value;
  }
  return nullptr;
}

void put(Runtime& rt, Entries& entries, Value key, Value value) {
  if (!hashable(rt, key)) rt.fail("unhashable type: '{}'", type_name(key));
  for (auto& [name, old] : entries) {
    if (equal(rt, name, key)) {
      old = std::move(value);
      return;
    }
  }
  entries.emplace_back(std::move(key), std::move(value));
}

}  // namespace tandem::jinja
