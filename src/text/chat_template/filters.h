// The filters, by kind of value. Each file gives one table.
#pragma once

#include <span>
#include <string_view>

#include "text/chat_template/arguments.h"

namespace tandem::jinja {

struct FilterCall {
  Runtime& rt;
  const Value& value;    ///< what stands before the |
  const Bound& bound;    ///< empty for filters that take anything
  Arguments& arguments;  ///< as passed
};

struct FilterEntry {
  std::string_view name;
  std::string_view parameters;  ///< "*": not checked
  Value (*apply)(const FilterCall&);
};

std::span<const FilterEntry> text_filters();
std::span<const FilterEntry> list_filters();
std::span<const FilterEntry> selecting_filters();
std::span<const FilterEntry> number_filters();

/// "a.b.0" of a value: what `attribute=` means in map, sort, join ...
Value attribute_path(Runtime& rt, const Value& value, const Value& path);

}  // namespace tandem::jinja
