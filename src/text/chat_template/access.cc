// a.b, a[b], a[b:c:d].
#include <algorithm>

#include "text/chat_template/arguments.h"
#include "text/chat_template/print.h"
#include "text/chat_template/unicode.h"

namespace tandem::jinja {
namespace {

std::string shown_type(const Value& value) {
  if (value.is_none()) return "None";
  return std::string(type_name(value)) + " object";
}

Value no_attribute(const Value& value, std::string_view name) {
  return make_undefined(
      fmt::format("'{}' has no attribute '{}'", shown_type(value), name.substr(0, 80)));
}

std::optional<Value> group_attribute(const Value& value, std::string_view name) {
  if (!value.is_sequence() || !value.sequence().group) return std::nullopt;
  if (name == "grouper") return value.sequence().items[0];
  if (name == "list") return value.sequence().items[1];
  return std::nullopt;
}

Value integer_value(size_t n) { return Value(static_cast<Int>(n)); }

Value loop_cycle(Runtime& rt, const Value& loop) {
  return make_callable(
      rt, "cycle",
      [&rt, loop](Arguments& arguments) {
        if (arguments.positional.empty()) rt.fail("loop.cycle needs values");
        return arguments.positional[loop.loop().index % arguments.positional.size()];
      },
      loop.depth() + 1);
}

Value loop_changed(Runtime& rt, const Value& loop) {
  return make_callable(
      rt, "changed",
      [&rt, loop](Arguments& arguments) {
        Value now = make_tuple(rt, arguments.positional);
        LoopState& state = loop.loop();
        if (!std::exchange(state.owned, true)) rt.own(loop.shared_loop());
        const bool changed = !state.seen || !equal(rt, state.last_seen, now);
        state.last_seen = std::move(now);
        state.seen = true;
        return Value(changed);
      },
      loop.depth() + 1);
}

std::optional<Value> loop_attribute(Runtime& rt, const Value& value, std::string_view name) {
  const LoopState& loop = value.loop();
  const Items& items = loop.items.sequence().items;
  const size_t i = loop.index;
  if (name == "index") return integer_value(i + 1);
  if (name == "index0") return integer_value(i);
  if (name == "revindex") return integer_value(items.size() - i);
  if (name == "revindex0") return integer_value(items.size() - i - 1);
  if (name == "first") return Value(i == 0);
  if (name == "last") return Value(i + 1 >= items.size());
  if (name == "length") return integer_value(items.size());
  if (name == "depth") return Value(Int{loop.level});
  if (name == "depth0") return Value(Int{loop.level - 1});
  if (name == "previtem") return i > 0 ? items[i - 1] : make_undefined("there is no previous item");
  if (name == "nextitem") {
    return i + 1 < items.size() ? items[i + 1] : make_undefined("there is no next item");
  }
  if (name == "cycle") return loop_cycle(rt, value);
  if (name == "changed") return loop_changed(rt, value);
  return std::nullopt;
}

/// What belongs to the object itself: methods, loop variables, namespace entries.
std::optional<Value> own_attribute(Runtime& rt, const Value& value, const std::string& name) {
  if (name.starts_with("__") || is_refused_method(value, name)) {
    return make_undefined(
        fmt::format("access to '{}' of '{}' is unsafe", name.substr(0, 80), shown_type(value)));
  }
  if (value.is_namespace()) {
    const Value* found = value.ns().find(name);
    return found != nullptr ? std::optional(*found) : std::nullopt;
  }
  if (value.is_loop()) return loop_attribute(rt, value, name);
  if (auto member = group_attribute(value, name)) return member;
  return find_method(rt, value, name);
}

std::optional<Value> indexed(Runtime& rt, const Value& value, Int index) {
  if (value.is_string()) {
    const int64_t count = length(rt, value);
    if (index < 0) index += count;
    if (index < 0 || index >= count) return std::nullopt;
    rt.step(static_cast<int64_t>(value.string().size() / 64));
    size_t at = 0;
    for (Int i = 0; i < index; ++i) at += sequence_length(value.string(), at);
    return make_text(rt, value.string().substr(at, sequence_length(value.string(), at)));
  }
  if (!value.is_sequence() || value.sequence().kind > SequenceKind::kRange) return std::nullopt;
  const Items& items = value.sequence().items;
  const auto count = static_cast<Int>(items.size());
  if (index < 0) index += count;
  if (index < 0 || index >= count) return std::nullopt;
  return items[static_cast<size_t>(index)];
}

}  // namespace

Value get_attribute(Runtime& rt, const Value& value, const std::string& name) {
  rt.step();
  require_defined(rt, value);
  if (auto own = own_attribute(rt, value, name)) return *std::move(own);
  if (value.is_dict()) {
    if (const Value* found = find(rt, value.dict(), name)) return *found;
  }
  return no_attribute(value, name);
}

Value get_item(Runtime& rt, const Value& value, const Value& key) {
  rt.step();
  require_defined(rt, value);
  if (value.is_dict()) {
    if (const Value* found = find(rt, value.dict(), key)) return *found;
  } else if (key.is_integral()) {
    if (auto found = indexed(rt, value, key.integer())) return *std::move(found);
    return make_undefined(
        fmt::format("'{}' has no element {}", shown_type(value), int_text(key.integer())));
  }
  if (key.is_string()) {
    if (auto own = own_attribute(rt, value, key.string())) return *std::move(own);
    return no_attribute(value, key.string());
  }
  return make_undefined(
      fmt::format("'{}' has no element of type {}", shown_type(value), type_name(key)));
}

namespace {

struct Range {
  int64_t start, stop, step;
};

/// Python's slice.indices().
Range resolved(const Runtime& rt, const SliceBounds& bounds, int64_t count) {
  const int64_t step = bounds.step.value_or(1);
  if (step == 0) rt.fail("the step of a slice is zero");
  const int64_t lowest = step > 0 ? 0 : -1;
  const int64_t highest = step > 0 ? count : count - 1;
  const auto clamp = [&](std::optional<int64_t> bound, int64_t fallback) {
    if (!bound) return fallback;
    const int64_t at = *bound < 0 ? *bound + count : *bound;
    return std::clamp(at, lowest, highest);
  };
  return {clamp(bounds.start, step > 0 ? 0 : count - 1), clamp(bounds.stop, step > 0 ? count : -1),
          // Beyond the length all steps are alike; this keeps start + step from overflowing.
          std::clamp<int64_t>(step, -(count + 1), count + 1)};
}

template <typename Source, typename Target>
void take(const Source& source, const Range& range, Target& target) {
  for (int64_t i = range.start; range.step > 0 ? i < range.stop : i > range.stop; i += range.step) {
    target.push_back(source[static_cast<size_t>(i)]);
  }
}

}  // namespace

Value get_slice(Runtime& rt, const Value& value, const SliceBounds& bounds) {
  require_defined(rt, value);
  if (value.is_string()) {
    rt.reserve(value.string().size() * 5);
    const std::u32string source = to_code_points(value.string());
    std::u32string target;
    take(source, resolved(rt, bounds, static_cast<int64_t>(source.size())), target);
    return make_text(rt, to_utf8(target));
  }
  if (value.is_sequence() && value.sequence().kind <= SequenceKind::kRange) {
    const Items& source = value.sequence().items;
    rt.reserve(source.size() * sizeof(Value));
    Items target;
    take(source, resolved(rt, bounds, static_cast<int64_t>(source.size())), target);
    const bool tuple = value.sequence().kind == SequenceKind::kTuple;
    return make_sequence(rt, std::move(target), tuple ? SequenceKind::kTuple : SequenceKind::kList);
  }
  rt.fail("'{}' cannot be sliced", shown_type(value));
}

}  // namespace tandem::jinja
