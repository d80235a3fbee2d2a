// A conversation as ids: what was said, and the prompt of the next turn as a continuation of what
// the engine has cached.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "json/json.h"
#include "tandem/text.h"

namespace tandem::cli {

class Conversation {
 public:
  /// The prompter and the tokenizer must outlive this. `max_prompt`: ids a prompt may have.
  Conversation(const ChatPrompter& prompter, const Tokenizer& tokenizer, int64_t max_prompt)
      : prompter_(prompter), tokenizer_(tokenizer), max_prompt_(max_prompt) {}

  struct Prompt {
    std::vector<int32_t> ids;
    int64_t dropped_turns = 0;  ///< turns that do not fit any more, since the last prompt
  };
  /// The prompt for a question, which then stands in the conversation. When it throws (the template
  /// refuses the question, or it does not fit alone), the conversation is as before.
  Prompt ask(const std::string& question);
  /// What came of the last ask(): the ids without an end token, and their text.
  void answer(const std::vector<int32_t>& output_ids, const std::string& text);
  /// Takes the last question back, when there is no answer.
  void forget_question();

  void reset();                                ///< forgets all but the system message
  void set_system(const std::string& system);  ///< empty: none; begins anew
  int64_t turns() const { return static_cast<int64_t>(turns_.size()); }

 private:
  struct Turn {
    std::string question;
    std::string answer;
    std::string in_context;  // the answer as it stands behind its prompt, when that differs
  };
  Prompt rendered(const std::string& question);
  std::string messages_json(const std::string& question) const;

  const ChatPrompter& prompter_;
  const Tokenizer& tokenizer_;
  int64_t max_prompt_;
  std::string system_;
  std::vector<Turn> turns_;
  std::string question_;          // asked and not yet answered
  std::vector<int32_t> cached_;   // the last prompt and its answer
  std::vector<int32_t> pending_;  // the prompt of question_
  int64_t window_dropped_ = 0;    // by the prompter's own window
};

/// `rendered` with the ids of `cached` in front, where both spell the same text and `cached` ends
/// where an id of `rendered` ends; otherwise `rendered`. An answer's ids are often not those that
/// its text is encoded to.
std::vector<int32_t> continue_ids(const Tokenizer& tokenizer, const std::vector<int32_t>& cached,
                                  const std::vector<int32_t>& rendered);

}  // namespace tandem::cli
