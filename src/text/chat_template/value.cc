#include "text/chat_template/value.h"

#include <algorithm>

#include "text/chat_template/unicode.h"

namespace tandem::jinja {
namespace {

void check_depth(Runtime& rt, int depth) {
  if (depth > rt.limits().value_depth) {
    rt.fail("values nested deeper than {} levels", rt.limits().value_depth);
  }
}

}  // namespace

void Namespace::clear() noexcept {
  const auto dropped = std::move(items);
  items.clear();
}

void LoopState::clear() noexcept {
  const Value dropped_items = std::move(items);
  const Value dropped_seen = std::move(last_seen);
  items = Value();
  last_seen = Value();
  recurse = nullptr;
}

const Value* Namespace::find(std::string_view key) const {
  for (const auto& [name, value] : items) {
    if (name == key) return &value;
  }
  return nullptr;
}

int Value::depth() const {
  if (is_sequence()) return sequence().depth;
  if (is_dict()) return dict().depth;
  if (is_callable()) return callable().depth;
  if (is_loop()) return loop().depth;
  return 0;
}

bool Value::same(const Value& other) const {
  if (v_.index() != other.v_.index()) return false;
  if (is_none()) return true;
  if (is_bool()) return boolean() == other.boolean();
  if (is_int()) return integer() == other.integer();
  if (is_float()) return number() == other.number();
  if (is_text()) return &text() == &other.text() || string() == other.string();
  if (is_sequence()) return &sequence() == &other.sequence();
  if (is_dict()) return &dict() == &other.dict();
  if (is_namespace()) return &ns() == &other.ns();
  if (is_callable()) return &callable() == &other.callable();
  return is_loop() && &loop() == &other.loop();
}

Value make_text(Runtime& rt, std::string text, TextKind kind) {
  const size_t bytes = text.size() + 80;
  rt.reserve(bytes);
  auto object =
      std::make_shared<const Text>(Text{std::move(text), kind, Charge(&rt.meter(), bytes)});
  return Value(std::move(object));
}

Value make_sequence(Runtime& rt, Items items, SequenceKind kind, std::string name) {
  const size_t bytes = items.size() * sizeof(Value) + 120;
  rt.reserve(bytes);
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  check_depth(rt, depth + 1);
  auto object =
      std::make_shared<const Sequence>(Sequence{std::move(items), kind, depth + 1, std::move(name),
                                                false, false, Charge(&rt.meter(), bytes)});
  return Value(std::move(object));
}

Value make_dict(Runtime& rt, Entries items) {
  const size_t bytes = items.size() * 2 * sizeof(Value) + 96;
  rt.reserve(bytes);
  int depth = 0;
  for (const auto& [key, value] : items) depth = std::max({depth, key.depth(), value.depth()});
  check_depth(rt, depth + 1);
  auto object =
      std::make_shared<const Dict>(Dict{std::move(items), depth + 1, Charge(&rt.meter(), bytes)});
  return Value(std::move(object));
}

Value make_callable(Runtime& rt, std::string name, std::function<Value(Arguments&)> call,
                    int depth) {
  rt.step();
  check_depth(rt, depth);
  return Value(std::make_shared<const Callable>(Callable{std::move(name), std::move(call), depth}));
}

Value make_undefined(std::string why) {
  return Value(Undefined{std::make_shared<const std::string>(std::move(why))});
}

bool truth(const Value& value) {
  if (value.is_none() || value.is_undefined()) return false;
  if (value.is_integral()) return value.integer() != 0;
  if (value.is_float()) return value.number() != 0;
  if (value.is_text()) return !value.string().empty();
  if (value.is_sequence()) {
    return value.sequence().kind == SequenceKind::kGenerator || !value.sequence().items.empty();
  }
  if (value.is_dict()) return !value.dict().items.empty();
  return true;
}

std::string_view type_name(const Value& value) {
  if (value.is_none()) return "NoneType";
  if (value.is_undefined()) return "Undefined";
  if (value.is_bool()) return "bool";
  if (value.is_int()) return "int";
  if (value.is_float()) return "float";
  if (value.is_text()) return value.is_string() ? "str" : "bytes";
  if (value.is_dict()) return "dict";
  if (value.is_namespace()) return "namespace";
  if (value.is_callable()) return "function";
  if (value.is_loop()) return "loop";
  switch (value.sequence().kind) {
    case SequenceKind::kList:
      return "list";
    case SequenceKind::kTuple:
      return "tuple";
    case SequenceKind::kRange:
      return "range";
    case SequenceKind::kGenerator:
      return "generator";
    case SequenceKind::kView:
      return value.sequence().name;
  }
  return "object";
}

void require_defined(const Runtime& rt, const Value& value) {
  if (value.is_undefined()) rt.fail("{}", *value.undefined().why);
}

bool is_iterable(const Value& value) {
  return value.is_undefined() || value.is_text() || value.is_sequence() || value.is_dict() ||
         value.is_loop();
}

Items iterate(Runtime& rt, const Value& value) {
  if (value.is_undefined()) return {};
  if (value.is_sequence()) {
    const Sequence& sequence = value.sequence();
    rt.reserve(sequence.items.size() * sizeof(Value));
    if (sequence.kind != SequenceKind::kGenerator) return sequence.items;
    if (sequence.spent) return {};
    sequence.spent = true;
    return sequence.items;
  }
  if (value.is_dict()) {
    rt.reserve(value.dict().items.size() * sizeof(Value));
    Items keys;
    for (const auto& [key, item] : value.dict().items) keys.push_back(key);
    return keys;
  }
  if (value.is_string()) {
    Items characters;
    rt.reserve(value.string().size() * sizeof(Value));
    for (size_t i = 0; i < value.string().size();) {
      const size_t n = sequence_length(value.string(), i);
      characters.push_back(make_text(rt, value.string().substr(i, n)));
      i += n;
    }
    return characters;
  }
  rt.fail("'{}' object is not iterable", type_name(value));
}

int64_t length(Runtime& rt, const Value& value) {
  if (value.is_undefined()) return 0;
  if (value.is_string()) {
    rt.step(static_cast<int64_t>(value.string().size() / 64));
    return count_characters(value.string());
  }
  if (value.is_text()) return static_cast<int64_t>(value.string().size());
  if (value.is_dict()) return static_cast<int64_t>(value.dict().items.size());
  if (value.is_loop()) return length(rt, value.loop().items);
  if (value.is_sequence() && value.sequence().kind != SequenceKind::kGenerator) {
    return static_cast<int64_t>(value.sequence().items.size());
  }
  rt.fail("object of type '{}' has no length", type_name(value));
}

}  // namespace tandem::jinja
