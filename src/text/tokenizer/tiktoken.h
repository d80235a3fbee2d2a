// Qwen v1's vocabulary: qwen.tiktoken, one "base64 rank" a line.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tandem/text.h"

namespace tandem {

/// Loads it: NFC of the whole text, Qwen's pattern, merges by the rank of what they give, and the
/// special tokens <|endoftext|>, <|im_start|>, <|im_end|>, <|extra_0|> to <|extra_204|> behind the
/// ranks. Bytes without a rank give no id. Throws Error(kBadInput) naming file and line.
std::unique_ptr<Tokenizer> load_qwen_tiktoken(const std::string& path);
/// The same from the file's text; `name` begins the messages.
std::unique_ptr<Tokenizer> parse_qwen_tiktoken(std::string_view text, const std::string& name);

}  // namespace tandem
