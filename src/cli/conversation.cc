#include "cli/conversation.h"

#include <algorithm>

#include "base/check.h"

namespace tandem::cli {

namespace {

/// As Tokenizer::decode, but an id that no token has (a model may have more rows than the
/// vocabulary has tokens, and choose one of them) gives no text.
std::string spelled(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  const auto detokenizer = tokenizer.detokenizer(false);
  std::string text;
  for (const int32_t id : ids) text += detokenizer->push(id);
  return text + detokenizer->finish();
}

}  // namespace

std::vector<int32_t> continue_ids(const Tokenizer& tokenizer, const std::vector<int32_t>& cached,
                                  const std::vector<int32_t>& rendered) {
  if (cached.empty()) return rendered;
  const std::string target = spelled(tokenizer, cached);
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
    if (spelled(tokenizer, ids) != spelled(tokenizer, rendered)) return rendered;
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

/// The last answer's text may have been cut off at its beginning: a vocabulary that spells words
/// with their space drops the first one, which in a prompt stands behind other text. What the
/// engine holds has that space; the prompt goes on from there when the format allows it.
Conversation::Prompt Conversation::rendered(const std::string& question) {
  const auto render = [&] {
    ChatPrompter::Prompt prompt = prompter_.prompt(messages_json(question), tokenizer_);
    return Prompt{continue_ids(tokenizer_, cached_, prompt.ids), prompt.dropped_turns};
  };
  const auto continues = [&](const Prompt& prompt) {
    return prompt.ids.size() >= cached_.size() &&
           std::equal(cached_.begin(), cached_.end(), prompt.ids.begin());
  };
  Prompt prompt = render();
  if (turns_.empty() || turns_.back().in_context.empty() || continues(prompt)) return prompt;
  const std::string plain = turns_.back().answer;
  turns_.back().answer = turns_.back().in_context;
  Prompt other = render();
  if (continues(other)) return other;
  turns_.back().answer = plain;
  return prompt;
}

Conversation::Prompt Conversation::ask(const std::string& question) {
  const std::vector<Turn> before = turns_;
  Prompt result;
  while (true) {
    Prompt prompt;
    try {
      prompt = rendered(question);
    } catch (...) {
      turns_ = before;
      throw;
    }
    result.ids = std::move(prompt.ids);
    if (static_cast<int64_t>(result.ids.size()) <= max_prompt_) {
      result.dropped_turns += std::max<int64_t>(0, prompt.dropped_turns - window_dropped_);
      window_dropped_ = prompt.dropped_turns;
      break;
    }
    if (turns_.empty()) {
      turns_ = before;
      bad_input("the question has {} ids; at most {} fit", result.ids.size(), max_prompt_);
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
  const size_t prompt_text = spelled(tokenizer_, pending_).size();
  cached_ = std::move(pending_);
  cached_.insert(cached_.end(), output_ids.begin(), output_ids.end());
  std::string in_context = spelled(tokenizer_, cached_);
  in_context.erase(0, std::min(prompt_text, in_context.size()));
  if (in_context == text) in_context.clear();
  turns_.push_back({std::move(question_), text, std::move(in_context)});
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
