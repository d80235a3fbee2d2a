// Methods of strings, lists, dictionaries and numbers.
#pragma once

#include <span>
#include <string_view>

#include "text/chat_template/arguments.h"

namespace tandem::jinja {

struct MethodCall {
  Runtime& rt;
  const Value& self;
  const Bound& bound;
  Arguments& arguments;
};

struct MethodEntry {
  std::string_view name;
  std::string_view parameters;  ///< "*": not checked
  Value (*call)(const MethodCall&);
};

std::span<const MethodEntry> string_methods();
std::span<const MethodEntry> string_search_methods();  ///< find, split, replace and their like

}  // namespace tandem::jinja
