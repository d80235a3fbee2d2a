// Template text to tokens, with Jinja's whitespace rules: trim_blocks, lstrip_blocks, `-` and `+`
// signs, one newline at the end dropped, CR and CRLF read as newlines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/chat_template/runtime.h"

namespace tandem::jinja {

enum class TokenKind {
  kData,           ///< text outside of tags
  kVariableBegin,  ///< {{
  kVariableEnd,
  kBlockBegin,  ///< {%
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,  ///< of the template
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  ///< a string's value; otherwise as written
  int line = 1;
};

/// Throws Error(kBadInput) "name: line 3: ...". Ends with a kEnd token.
std::vector<Token> tokenize(std::string_view source, Runtime& rt);

}  // namespace tandem::jinja
