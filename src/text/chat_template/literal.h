// How numbers and strings are written in a template.
#pragma once

#include <string>
#include <string_view>

#include "text/chat_template/runtime.h"
#include "text/chat_template/value.h"

namespace tandem::jinja {

struct NumberText {
  size_t length = 0;
  bool real = false;
};
/// The number that begins at text[at], a digit. `may_be_real`: not behind a dot.
NumberText number_at(std::string_view text, size_t at, bool may_be_real);

/// Digits with optional underscores, 0x, 0o, 0b. Throws beyond 127 bits.
Int parse_integer(const std::string& text, const Runtime& rt);
double parse_real(std::string text);

/// The inside of a string literal without its escapes, as Python reads them.
std::string unescaped(std::string_view text, const Runtime& rt);

}  // namespace tandem::jinja
