// Qwen v1's conversation format. These checkpoints carry no template: the frame is made of ids, and
// message contents are encoded with special-token text as plain text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tandem/text.h"

namespace tandem {

struct ChatmlMessage {
  std::string role;
  std::string content;
};

struct ChatmlOptions {
  std::string default_system = "You are a helpful assistant.";
  int64_t max_window_size = 6144;  ///< generation_config.json; bounds the history, in tokens
};

struct ChatmlPrompt {
  std::vector<int32_t> ids;   ///< ends where the assistant's answer begins
  int64_t dropped_turns = 0;  ///< oldest turns that did not fit
};

/// `messages`: an optional system message, then user and assistant in turns, the question last.
/// History is taken from the newest turn backwards while system + turn + kept stays below
/// max_window_size (the question is not counted). Throws Error(kBadInput) on another order of roles
/// or a tokenizer without <|im_start|> and <|im_end|>.
ChatmlPrompt chatml_prompt(const Tokenizer& tokenizer, const std::vector<ChatmlMessage>& messages,
                           const ChatmlOptions& options = {});
/// As above, from JSON: [{"role", "content"}, ...]. Contents are strings.
ChatmlPrompt chatml_prompt(const Tokenizer& tokenizer, const std::string& messages_json,
                           const ChatmlOptions& options = {});

/// The same frame as text, for people to read; not what is encoded.
std::string chatml_text(const std::vector<ChatmlMessage>& messages,
                        const ChatmlOptions& options = {});

/// [{"role", "content"}, ...] with contents that are strings.
std::vector<ChatmlMessage> chatml_messages(const std::string& messages_json);

}  // namespace tandem
