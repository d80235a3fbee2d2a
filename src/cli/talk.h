// What every talking command does: lines in, answers out, Ctrl-C in between.
#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "cli/interrupt.h"
#include "cli/line_editor.h"
#include "cli/model_options.h"
#include "cli/prompt_encoder.h"

namespace tandem::cli {

struct TalkOptions {
  ModelOptions model;
  std::string system;      ///< the first system message
  std::string transcript;  ///< file that gets a JSON line per answer
  bool digest = false;
};
/// --model_path ... --seed, --stop, and what talking adds.
void add_talk_options(CLI::App& command, TalkOptions& options);

/// Reads lines and answers prompts, one at a time. With a person at a terminal it edits lines,
/// shows answers as they are made and lets Ctrl-C stop them; otherwise whole lines come in and
/// answers go out without decoration, and Ctrl-C ends the run.
class Talker {
 public:
  /// `options` and `engine` must outlive this. `end_ids`: of an answer, beside the checkpoint's.
  Talker(const TalkOptions& options, Engine& engine, std::vector<int32_t> end_ids);
  ~Talker();

  /// The next line that is not blank; false at the end of the input, or when a person pressed
  /// Ctrl-C twice. Throws Error(kAborted) when a signal asked for the end.
  bool read(std::string& line);

  struct Answer {
    Request request;
    RequestResult result;
  };
  /// Answers a prompt: prints it, and writes it to the transcript. `dropped_turns` goes there too.
  /// finish_reason is "cancelled" when Ctrl-C stopped it. Throws on failures and refusals.
  Answer answer(std::vector<int32_t> prompt_ids, int64_t dropped_turns = 0);

  /// Text that is no answer: shown to a person, to standard error otherwise.
  void say(const std::string& text) const;
  /// One sentence that a user should know, marked as no answer.
  void note(const std::string& sentence) const;
  bool to_person() const { return guard_ != nullptr; }
  int64_t max_new_tokens() const { return max_new_tokens_; }
  void set_max_new_tokens(int64_t count) { max_new_tokens_ = count; }

 private:
  void record(const Answer& answer, int64_t dropped_turns);

  const TalkOptions& options_;
  Engine& engine_;
  std::vector<int32_t> end_ids_;
  int64_t max_new_tokens_;
  int64_t answers_ = 0;
  std::ofstream transcript_;
  std::unique_ptr<InterruptGuard> guard_;  // null: nobody sits there
  std::unique_ptr<LineEditor> editor_;
};

}  // namespace tandem::cli
