#include "text/chat_template/filters.h"

#include <array>

namespace tandem::jinja {
namespace {

const FilterEntry* find_filter(std::string_view name) {
  for (const auto& table :
       {text_filters(), list_filters(), selecting_filters(), number_filters()}) {
    for (const FilterEntry& entry : table) {
      if (entry.name == name) return &entry;
    }
  }
  return nullptr;
}

}  // namespace

bool is_filter(std::string_view name) { return find_filter(name) != nullptr; }

Value apply_filter(Runtime& rt, const std::string& name, const Value& value, Arguments& arguments) {
  rt.step();
  const FilterEntry* entry = find_filter(name);
  if (entry == nullptr) rt.fail("unknown filter '{}'", name.substr(0, 80));
  Arguments none;
  const bool anything = entry->parameters == "*";
  const Bound bound(rt, "filter '" + name + "'", anything ? "" : entry->parameters,
                    anything ? none : arguments);
  return entry->apply(FilterCall{rt, value, bound, arguments});
}

Value attribute_path(Runtime& rt, const Value& value, const Value& path) {
  if (!path.is_string()) return get_item(rt, value, path);
  Value current = value;
  const std::string& text = path.string();
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('.', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const bool digits = !part.empty() && part.size() < 10 &&
                        part.find_first_not_of("0123456789") == std::string::npos;
    current = digits ? get_item(rt, current, Value(Int{std::stol(part)}))
                     : get_item(rt, current, make_text(rt, part));
    begin = end + 1;
  }
  return current;
}

}  // namespace tandem::jinja
