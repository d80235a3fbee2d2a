#include "text/chat_template/chatml.h"

#include <algorithm>

#include "base/check.h"
#include "json/json.h"

namespace tandem {
namespace {

using Ids = std::vector<int32_t>;

struct Turn {
  ChatmlMessage question;
  ChatmlMessage answer;
};

struct Conversation {
  ChatmlMessage system;
  std::vector<Turn> history;
  ChatmlMessage question;
};

/// Checks the order of roles: system?, (user, assistant)*, user.
Conversation ordered(const std::vector<ChatmlMessage>& messages, const ChatmlOptions& options) {
  Conversation result;
  result.system = {"system", options.default_system};
  size_t i = 0;
  if (!messages.empty() && messages[0].role == "system") {
    // An empty system message means the default, as in the original.
    if (!messages[0].content.empty()) result.system = messages[0];
    i = 1;
  }
  const auto expect = [&](const std::string& role) -> const ChatmlMessage& {
    if (i >= messages.size()) {
      bad_input("messages: there is no question; the last message is of role \"user\"");
    }
    if (messages[i].role != role) {
      bad_input(
          "messages: message {} has role \"{}\" where \"{}\" is expected (ChatML of Qwen v1 "
          "knows an optional system message, then user and assistant in turns)",
          i, messages[i].role, role);
    }
    return messages[i++];
  };
  while (true) {
    const ChatmlMessage& question = expect("user");
    if (i == messages.size()) {
      result.question = question;
      return result;
    }
    result.history.push_back({question, expect("assistant")});
  }
}

class Frame {
 public:
  explicit Frame(const Tokenizer& tokenizer)
      : tokenizer_(tokenizer),
        start_(special("<|im_start|>")),
        end_(special("<|im_end|>")),
        newline_(text("\n")) {}

  /// <|im_start|>role\ncontent<|im_end|>
  Ids message(const ChatmlMessage& message) const {
    Ids ids = opening(message.role);
    append(ids, text(message.content));
    ids.push_back(end_);
    return ids;
  }
  Ids opening(const std::string& role) const {
    Ids ids = {start_};
    append(ids, text(role));
    append(ids, newline_);
    return ids;
  }
  Ids turn(const Turn& turn) const {
    Ids ids = newline_;
    append(ids, message(turn.question));
    append(ids, newline_);
    append(ids, message(turn.answer));
    return ids;
  }
  const Ids& newline() const { return newline_; }
  static void append(Ids& ids, const Ids& more) { ids.insert(ids.end(), more.begin(), more.end()); }

 private:
  int32_t special(const char* token) const {
    const auto id = tokenizer_.token_to_id(token);
    if (!id) bad_input("the tokenizer has no {}, which the ChatML format needs", token);
    return *id;
  }
  Ids text(const std::string& text) const {
    return tokenizer_.encode(text, {.add_special_tokens = false, .allow_special = false});
  }

  const Tokenizer& tokenizer_;
  int32_t start_;
  int32_t end_;
  Ids newline_;
};

}  // namespace

ChatmlPrompt chatml_prompt(const Tokenizer& tokenizer, const std::vector<ChatmlMessage>& messages,
                           const ChatmlOptions& options) {
  const Conversation conversation = ordered(messages, options);
  const Frame frame(tokenizer);
  const Ids system = frame.message(conversation.system);

  std::vector<Ids> kept;  // newest first
  size_t size = system.size();
  for (size_t i = conversation.history.size(); i-- > 0;) {
    Ids turn = frame.turn(conversation.history[i]);
    if (static_cast<int64_t>(size + turn.size()) >= options.max_window_size) break;
    size += turn.size();
    kept.push_back(std::move(turn));
  }

  ChatmlPrompt prompt;
  prompt.dropped_turns = static_cast<int64_t>(conversation.history.size() - kept.size());
  prompt.ids = system;
  for (size_t i = kept.size(); i-- > 0;) Frame::append(prompt.ids, kept[i]);
  Frame::append(prompt.ids, frame.newline());
  Frame::append(prompt.ids, frame.message(conversation.question));
  Frame::append(prompt.ids, frame.newline());
  Frame::append(prompt.ids, frame.opening("assistant"));
  return prompt;
}

ChatmlPrompt chatml_prompt(const Tokenizer& tokenizer, const std::string& messages_json,
                           const ChatmlOptions& options) {
  return chatml_prompt(tokenizer, chatml_messages(messages_json), options);
}

std::string chatml_text(const std::vector<ChatmlMessage>& messages, const ChatmlOptions& options) {
  const Conversation conversation = ordered(messages, options);
  const auto framed = [](const ChatmlMessage& message) {
    return "<|im_start|>" + message.role + "\n" + message.content + "<|im_end|>\n";
  };
  std::string text = framed(conversation.system);
  for (const Turn& turn : conversation.history) text += framed(turn.question) + framed(turn.answer);
  return text + framed(conversation.question) + "<|im_start|>assistant\n";
}

std::vector<ChatmlMessage> chatml_messages(const std::string& messages_json) {
  const Json json = Json::parse(messages_json, "messages");
  if (!json.is_array()) bad_input("messages: {} where an array is expected", json.kind());
  std::vector<ChatmlMessage> messages;
  for (size_t i = 0; i < json.array().size(); ++i) {
    const JsonReader message(json.array()[i], "messages[" + std::to_string(i) + "]");
    messages.push_back({message.string("role"), message.string("content")});
  }
  return messages;
}

}  // namespace tandem
