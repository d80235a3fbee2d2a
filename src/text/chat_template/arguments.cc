#include "text/chat_template/arguments.h"

#include <algorithm>

namespace tandem::jinja {

Bound::Bound(Runtime& rt, std::string what, std::string_view parameters, Arguments& arguments)
    : rt_(rt), what_(std::move(what)) {
  for (size_t i = 0; i < parameters.size();) {
    const size_t end = std::min(parameters.find(' ', i), parameters.size());
    names_.emplace_back(parameters.substr(i, end - i));
    i = end + 1;
  }
  values_.resize(names_.size());
  if (arguments.positional.size() > names_.size()) {
    rt.fail("{} takes at most {} arguments, not {}", what_, names_.size(),
            arguments.positional.size());
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto at = std::find(names_.begin(), names_.end(), name);
    if (at == names_.end()) rt.fail("{} takes no argument '{}'", what_, name);
    auto& slot = values_[static_cast<size_t>(at - names_.begin())];
    if (slot.has_value()) rt.fail("{} is given '{}' twice", what_, name);
    slot = value;
  }
}

const Value& Bound::required(size_t i) const {
  if (!values_[i].has_value()) rt_.fail("{} needs the argument '{}'", what_, names_[i]);
  return *values_[i];
}

bool Bound::truth(size_t i, bool fallback) const {
  return has(i) ? jinja::truth(*values_[i]) : fallback;
}

int64_t Bound::integer(size_t i, int64_t fallback) const {
  return has(i) ? to_index(rt_, *values_[i], what_ + ": " + names_[i]) : fallback;
}

const std::string& Bound::string(size_t i) const {
  const Value& value = required(i);
  require_defined(rt_, value);
  if (!value.is_string()) {
    rt_.fail("{}: '{}' is of type {}; a string is expected", what_, names_[i], type_name(value));
  }
  return value.string();
}

std::string Bound::string(size_t i, std::string_view fallback) const {
  return has(i) ? string(i) : std::string(fallback);
}

int64_t to_index(const Runtime& rt, const Value& value, std::string_view what) {
  require_defined(rt, value);
  if (!value.is_integral()) {
    rt.fail("{} is of type {}; an integer is expected", what, type_name(value));
  }
  const Int integer = value.integer();
  if (integer < INT64_MIN || integer > INT64_MAX) rt.fail("{} is out of range", what);
  return static_cast<int64_t>(integer);
}

Value call(Runtime& rt, const Value& function, Arguments& arguments) {
  require_defined(rt, function);
  if (function.is_loop()) {
    if (!function.loop().recurse) rt.fail("'loop' is called, but the loop is not 'recursive'");
    Bound bound(rt, "loop", "items", arguments);
    return function.loop().recurse(bound.required(0));
  }
  if (!function.is_callable()) rt.fail("'{}' object is not callable", type_name(function));
  return function.callable().call(arguments);
}

}  // namespace tandem::jinja
