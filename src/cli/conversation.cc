#include "cli/conversation.h"

#include "base/check.h"

namespace tandem::cli {

std::vector<int32_t> continue_ids(const Tokenizer& tokenizer, const std::vector<int32_t>& cached,
                                  const std::vector<int32_t>& rendered) {
  if (cached.empty()) return rendered;
  const std::string target = tokenizer.decode(cached, false);
  const auto detokenizer = tokenizer.detokenizer(false);
  std::string text;
  for (size_t i = 0; i < rendered.size() && text.size() < target.size(); ++i) {
    const std::string piece = detokenizer->push(rendered[i]);
    if (target.compare(text.size(), piece.size(), piece) != 0) return rendered;
    text += piece;
    if (text.size() != target.size()) continue;
    std::vector<int32_t> ids = cached;
    ids.insert(ids.end(), rendered.begin() + static_cast<ptrdiff_t>(i) + 1, rendered.end());
    // What follows may be spelled by where it stands (a space that is dropped at the beginning).
    if (tokenizer.decode(ids, false) != tokenizer.decode(rendered, false)) return rendered;
    return ids;
  }
  return rendered;
}

std::string Conversation::messages_json(const std::string& question) const {
  Json::Array messages;
  const auto add = [&](const char* role, const std::string& content) {
    messages.push_back(Json::Object{{"role", role}, {"content", content}});
  };
  if (!system_.empty()) add("system", system_);
  for (const Turn& turn : turns_) {
    add("user", turn.question);
    add("assistant", turn.answer);
  }
  add("user", question);
  return Json(std::move(messages)).dump();
}

Conversation::Prompt Conversation::ask(const std::string& question) {
  const std::vector<Turn> before = turns_;
  Prompt result;
  while (true) {
    ChatPrompter::Prompt prompt;
    try {
      prompt = prompter_.prompt(messages_json(question), tokenizer_);
    } catch (...) {
      turns_ = before;
      throw;
    }
    result.ids = continue_ids(tokenizer_, cached_, prompt.ids);
    if (static_cast<int64_t>(result.ids.size()) <= max_prompt_) {
      result.dropped_turns += std::max<int64_t>(0, prompt.dropped_turns - window_dropped_);
      window_dropped_ = prompt.dropped_turns;
      break;
    }
    if (turns_.empty()) {
      turns_ = before;
      bad_input("the question has {} ids; at most {} fit", prompt.ids.size(), max_prompt_);
    }
    turns_.erase(turns_.begin());
    ++result.dropped_turns;
    window_dropped_ = 0;
  }
  question_ = question;
  pending_ = result.ids;
  return result;
}

void Conversation::answer(const std::vector<int32_t>& output_ids, const std::string& text) {
  turns_.push_back({std::move(question_), text});
  cached_ = std::move(pending_);
  cached_.insert(cached_.end(), output_ids.begin(), output_ids.end());
  question_.clear();
  pending_.clear();
}

void Conversation::forget_question() {
  question_.clear();
  pending_.clear();
}

void Conversation::reset() {
  forget_question();
  turns_.clear();
  cached_.clear();
  window_dropped_ = 0;
}

void Conversation::set_system(const std::string& system) {
  reset();
  system_ = system;
}

}  // namespace tandem::cli
