// What a call passes, and how a function, filter, test or method reads it.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/chat_template/value.h"

namespace tandem::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// Arguments by parameter: built from "width first blank". Throws when there are too many, an
/// unknown or a double one.
class Bound {
 public:
  /// `what`: "filter 'indent'", for messages.
  Bound(Runtime& rt, std::string what, std::string_view parameters, Arguments& arguments);

  bool has(size_t i) const { return values_[i].has_value(); }
  /// None when it was not given.
  Value get(size_t i) const { return values_[i].value_or(Value()); }
  const Value& required(size_t i) const;
  bool truth(size_t i, bool fallback) const;
  /// Throws unless it is an integer in the range of int64.
  int64_t integer(size_t i, int64_t fallback) const;
  const std::string& string(size_t i) const;
  std::string string(size_t i, std::string_view fallback) const;
  bool given_not_none(size_t i) const { return has(i) && !values_[i]->is_none(); }

 private:
  Runtime& rt_;
  std::string what_;
  std::vector<std::string> names_;
  std::vector<std::optional<Value>> values_;
};

/// An integer argument from outside the call machinery (indices, widths).
int64_t to_index(const Runtime& rt, const Value& value, std::string_view what);

/// "name parameters": the name and what it takes; "*" for anything.
bool apply_test(Runtime& rt, const std::string& name, const Value& value, Arguments& arguments);
Value apply_filter(Runtime& rt, const std::string& name, const Value& value, Arguments& arguments);
bool is_filter(std::string_view name);
bool is_test(std::string_view name);

// Members, as Jinja looks them up: a.b tries the attribute, then the item; a[b] the other way
// round.
Value get_attribute(Runtime& rt, const Value& value, const std::string& name);
Value get_item(Runtime& rt, const Value& value, const Value& key);
struct SliceBounds {
  std::optional<int64_t> start, stop, step;
};
Value get_slice(Runtime& rt, const Value& value, const SliceBounds& bounds);
/// The bound method of a string, list, dict or number, or nothing.
std::optional<Value> find_method(Runtime& rt, const Value& value, const std::string& name);
/// Methods that would change a value: known, but refused.
bool is_refused_method(const Value& value, std::string_view name);

Value call(Runtime& rt, const Value& function, Arguments& arguments);

// Operators.
Value binary(Runtime& rt, const std::string& op, const Value& a, const Value& b);
Value unary(Runtime& rt, const std::string& op, const Value& value);
Value concatenate(Runtime& rt, const Items& parts);
/// Python's text % values.
Value percent_format(Runtime& rt, const std::string& format, const Value& values);
/// Python's text.format(...).
Value brace_format(Runtime& rt, const std::string& format, const Arguments& arguments);

/// range, dict, namespace, raise_exception, strftime_now ... as variables.
std::vector<std::pair<std::string, Value>> make_globals(Runtime& rt);

}  // namespace tandem::jinja
