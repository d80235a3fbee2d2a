// Values as text: Python's str(), repr(), and json.dumps().
#pragma once

#include <optional>
#include <string>

#include "text/chat_template/value.h"

namespace tandem::jinja {

std::string int_text(Int value);
/// Python's repr(float): the shortest digits that read back, 1e+16, 1.0, nan.
std::string real_text(double value);

std::string str(Runtime& rt, const Value& value);
std::string repr(Runtime& rt, const Value& value);

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  ///< of one level; absent: everything on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
/// Throws on what JSON cannot hold.
std::string to_json(Runtime& rt, const Value& value, const JsonStyle& style);

/// & < > " ' as HTML references; markup stays.
std::string escaped(Runtime& rt, const Value& value);

}  // namespace tandem::jinja
