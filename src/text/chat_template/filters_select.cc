// map, select and their relatives: filters that apply other filters and tests to items.
#include <array>

#include "text/chat_template/filters.h"

namespace tandem::jinja {
namespace {

/// Takes `name=` out of the named arguments.
std::optional<Value> take_named(Arguments& arguments, std::string_view name) {
  for (size_t i = 0; i < arguments.named.size(); ++i) {
    if (arguments.named[i].first != name) continue;
    Value value = std::move(arguments.named[i].second);
    arguments.named.erase(arguments.named.begin() + static_cast<ptrdiff_t>(i));
    return value;
  }
  return std::nullopt;
}

/// The name of a filter or test: the first argument from outside, removed.
std::string take_name(Runtime& rt, Arguments& arguments, std::string_view what) {
  if (arguments.positional.empty() || !arguments.positional[0].is_string()) {
    rt.fail("{} needs a name", what);
  }
  std::string name = arguments.positional[0].string();
  arguments.positional.erase(arguments.positional.begin());
  return name;
}

Value map_attribute(const FilterCall& c, const Value& path) {
  const auto fallback = take_named(c.arguments, "default");
  if (!c.arguments.named.empty() || !c.arguments.positional.empty()) {
    c.rt.fail("map takes no argument beside attribute and default");
  }
  Items result;
  for (const Value& item : iterate(c.rt, c.value)) {
    Value found = attribute_path(c.rt, item, path);
    result.push_back(found.is_undefined() && fallback ? *fallback : std::move(found));
  }
  return make_generator(c.rt, std::move(result));
}

Value map(const FilterCall& c) {
  if (c.arguments.positional.empty()) {
    if (const auto path = take_named(c.arguments, "attribute")) return map_attribute(c, *path);
  }
  const std::string name = take_name(c.rt, c.arguments, "map");
  Items result;
  for (const Value& item : iterate(c.rt, c.value)) {
    Arguments arguments = c.arguments;
    result.push_back(apply_filter(c.rt, name, item, arguments));
  }
  return make_generator(c.rt, std::move(result));
}

Value select_if(const FilterCall& c, bool by_attribute, bool wanted) {
  Value path;
  if (by_attribute) {
    if (c.arguments.positional.empty()) c.rt.fail("selectattr and rejectattr need an attribute");
    path = c.arguments.positional[0];
    c.arguments.positional.erase(c.arguments.positional.begin());
  }
  const bool tested = !c.arguments.positional.empty();
  const std::string name = tested ? take_name(c.rt, c.arguments, "select") : "";
  Items result;
  for (Value& item : iterate(c.rt, c.value)) {
    const Value subject = by_attribute ? attribute_path(c.rt, item, path) : item;
    Arguments arguments = c.arguments;
    const bool holds = tested ? apply_test(c.rt, name, subject, arguments) : truth(subject);
    if (holds == wanted) result.push_back(std::move(item));
  }
  return make_generator(c.rt, std::move(result));
}

constexpr std::array kTable = {
    FilterEntry{"map", "*", map},
    FilterEntry{"select", "*", [](const FilterCall& c) { return select_if(c, false, true); }},
    FilterEntry{"reject", "*", [](const FilterCall& c) { return select_if(c, false, false); }},
    FilterEntry{"selectattr", "*", [](const FilterCall& c) { return select_if(c, true, true); }},
    FilterEntry{"rejectattr", "*", [](const FilterCall& c) { return select_if(c, true, false); }},
};

}  // namespace

std::span<const FilterEntry> selecting_filters() { return kTable; }

}  // namespace tandem::jinja
