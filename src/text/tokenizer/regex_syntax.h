// Regular expressions of tokenizer.json (Oniguruma's Ruby syntax) rewritten for PCRE2.
#pragma once

#include <string>
#include <string_view>

namespace tandem {

/// Gives \s \d \w \h and their complements the meaning that they have in tokenizer.json, whatever
/// PCRE2's tables say. Throws Error(kUnsupported) for what the two engines read differently and
/// that has no equal: class intersections, nested and POSIX classes, inline options other than i,
/// possessive intervals. `where` begins the message.
std::string to_pcre2_syntax(std::string_view pattern, const std::string& where);

/// `text` as a pattern that matches exactly itself.
std::string quote_for_pcre2(std::string_view text);

}  // namespace tandem
