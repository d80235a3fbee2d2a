#include "cli/talk.h"

#include <fmt/format.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>

#include "base/check.h"
#include "cli/result.h"
#include "cli/signals.h"

namespace tandem::cli {

void add_talk_options(CLI::App& command, TalkOptions& o) {
  o.model.max_new_tokens = 512;
  add_engine_options(command, o.model);
  add_generation_options(command, o.model);
  command.add_flag("--digest", o.digest,
                   "a hash of the logits of every answer in what is reported");
  command.add_option("--transcript", o.transcript,
                     "file to which every answer is appended as a JSON line: ids, text, times");
}

Talker::Talker(const TalkOptions& options, Engine& engine, std::vector<int32_t> end_ids)
    : options_(options),
      engine_(engine),
      end_ids_(std::move(end_ids)),
      max_new_tokens_(options.model.max_new_tokens) {
  if (!options.transcript.empty()) {
    transcript_.open(options.transcript, std::ios::app);
    if (!transcript_) bad_input("--transcript: {} cannot be written", options.transcript);
  }
  if (!options.model.json && LineEditor::on_terminal()) {
    guard_ = std::make_unique<InterruptGuard>();
  }
  editor_ = std::make_unique<LineEditor>("> ", guard_.get());
  if (guard_ != nullptr) wake_on_signal(guard_->wake_fd());
}

Talker::~Talker() { wake_on_signal(-1); }

bool Talker::read(std::string& line) {
  bool asked = false;  // whether Ctrl-C came on an empty line just now
  while (true) {
    const LineEditor::Outcome outcome = editor_->read(line);
    check_signals();
    if (outcome == LineEditor::Outcome::kEnd) return false;
    if (outcome == LineEditor::Outcome::kInterrupted) {
      if (asked && line.empty()) return false;
      asked = line.empty();
      if (asked) note("Ctrl-C again or Ctrl-D ends the program");
      continue;
    }
    asked = false;
    if (line.find_first_not_of(" \t") != std::string::npos) return true;
  }
}

Talker::Answer Talker::answer(std::vector<int32_t> prompt_ids, int64_t dropped_turns) {
  Answer answer;
  ModelOptions model = options_.model;
  model.max_new_tokens = max_new_tokens_;
  answer.request = request_for(model, engine_.info(), std::move(prompt_ids));
  if (!model.ignore_eos)
    answer.request.end_ids.insert(answer.request.end_ids.end(), end_ids_.begin(), end_ids_.end());
  answer.request.digest = options_.digest;
  Engine::OnToken on_token;
  if (!model.json) on_token = [](int32_t, const std::string& text) { print_stdout(text); };
  const uint64_t number = engine_.submit(answer.request, on_token);
  {
    std::unique_ptr<InterruptGuard::Watch> watch;
    if (guard_ != nullptr) watch = guard_->watch([&] { engine_.cancel(number); });
    answer.result = engine_.wait(number);
  }
  require_ok(answer.result);
  if (!model.json) print_stdout("\n");
  if (to_person() && answer.result.finish_reason == "cancelled") note("stopped");
  if (to_person() && answer.result.finish_reason == "length") {
    note(fmt::format("cut off after {} tokens: --max_new_tokens", answer.result.output_ids.size()));
  }
  record(answer, dropped_turns);
  return answer;
}

void Talker::record(const Answer& answer, int64_t dropped_turns) {
  const int64_t index = answers_++;
  if (!options_.model.json && !transcript_.is_open()) return;
  Json::Object out = result_json(engine_, answer.request, answer.result);
  out.insert(out.begin(), {"index", Json(index)});
  out.emplace_back("dropped_turns", dropped_turns);
  const std::string line = Json(std::move(out)).dump() + "\n";
  if (options_.model.json) print_stdout(line);
  if (transcript_.is_open() && !(transcript_ << line << std::flush))
    fail(ErrorCode::kResource, "{} cannot be written", options_.transcript);
}

void Talker::say(const std::string& text) const {
  if (to_person()) {
    print_stdout(text + "\n");
  } else {
    fmt::print(stderr, "{}\n", text);
  }
}

void Talker::note(const std::string& sentence) const {
  say(fmt::format(fmt::runtime(to_person() ? "({})" : "tandem: note: {}"), sentence));
}

}  // namespace tandem::cli
