// tandem chat: a conversation of several turns. converse() also serves the mode without a command.
#include <fmt/format.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/check.h"
#include "cli/command.h"
#include "cli/conversation.h"
#include "cli/converse.h"
#include "cli/result.h"

namespace tandem::cli {
namespace {

constexpr char kHelp[] =
    "/reset             forget what was said, keep the system message\n"
    "/system TEXT       begin anew with this system message (without TEXT: with none of our own)\n"
    "/stats             sizes and speeds of the conversation and of the last answer\n"
    "/max_new_tokens N  let answers have N tokens at most\n"
    "/help              this list\n"
    "/quit              end (as Ctrl-D)\n"
    "Ctrl-C stops an answer; at an empty prompt a second Ctrl-C ends. //TEXT sends a line that "
    "begins "
    "with a slash.";

class Chat {
 public:
  Chat(const TalkOptions& options, Engine& engine, const ChatPrompter& prompter)
      : engine_(engine),
        talker_(options, engine, prompter.end_ids(*engine.tokenizer())),
        talk_(prompter, *engine.tokenizer(), max_prompt(options, engine.info())) {
    if (!options.system.empty()) talk_.set_system(options.system);
  }

  void run() {
    const EngineInfo& info = engine_.info();
    if (talker_.to_person()) {
      talker_.say(fmt::format(
          "{} on {} rank{} of {} thread{}, {}, {} tokens. /help lists commands; Ctrl-C stops an "
          "answer, Ctrl-D ends.",
          info.family, info.world_size, info.world_size == 1 ? "" : "s", info.threads,
          info.threads == 1 ? "" : "s", info.dtype, info.max_seq_len));
    }
    std::string line;
    while (talker_.read(line)) {
      if (line.starts_with("//")) {
        turn(line.substr(1));
      } else if (!line.starts_with('/')) {
        turn(line);
      } else if (!command(line)) {
        break;
      }
    }
  }

 private:
  /// Room for an answer is kept free: what --max_new_tokens asks for, at most a quarter.
  static int64_t max_prompt(const TalkOptions& options, const EngineInfo& info) {
    return std::max<int64_t>(
        1, info.max_seq_len - std::min(options.model.max_new_tokens, info.max_seq_len / 4));
  }

  /// A refused question ends a run that nobody watches; a person may ask another.
  void turn(const std::string& question) {
    try {
      const Conversation::Prompt prompt = talk_.ask(question);
      if (prompt.dropped_turns > 0) {
        talker_.note(fmt::format("the conversation is too long: its oldest {} forgotten",
                                 prompt.dropped_turns == 1
                                     ? "turn is"
                                     : fmt::format("{} turns are", prompt.dropped_turns)));
      }
      last_ = talker_.answer(prompt.ids, prompt.dropped_turns);
      take_answer();
    } catch (const Error& error) {
      talk_.forget_question();
      const bool refused =
          error.code() == ErrorCode::kBadInput || error.code() == ErrorCode::kUnsupported;
      if (!talker_.to_person() || !refused) throw;
      talker_.note(fmt::format("error: {}", error.what()));
    }
  }

  void take_answer() {
    const std::vector<int32_t>& ends = last_.request.end_ids;
    std::vector<int32_t> ids = last_.result.output_ids;
    if (!ids.empty() && std::find(ends.begin(), ends.end(), ids.back()) != ends.end())
      ids.pop_back();
    if (last_.result.output_ids.empty()) {
      talk_.forget_question();  // stopped before the first token
    } else {
      talk_.answer(ids, last_.result.text);
    }
  }

  /// False: the user wants to leave.
  bool command(const std::string& line) {
    const size_t space = std::min(line.find(' '), line.size());
    const std::string name = line.substr(0, space);
    const size_t begin = line.find_first_not_of(' ', space);
    const std::string rest = begin == std::string::npos ? "" : line.substr(begin);
    if (name == "/quit") return false;
    if (name == "/system") {
      talk_.set_system(rest);
      talker_.note("a new conversation");
    } else if (name == "/max_new_tokens") {
      set_limit(rest);
    } else if (line == "/reset") {
      talk_.reset();
      talker_.note("a new conversation");
    } else if (line == "/stats") {
      show_stats();
    } else if (line == "/help") {
      talker_.say(kHelp);
    } else {
      talker_.note(fmt::format("{} is no command; /help lists them, //TEXT sends a slash", line));
    }
    return true;
  }

  void set_limit(const std::string& text) {
    int64_t count = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || count < 1 ||
        count > int64_t{1} << 30) {
      talker_.note(fmt::format("/max_new_tokens: \"{}\" is no number from 1 on", text));
      return;
    }
    talker_.set_max_new_tokens(count);
    talker_.note(fmt::format("answers have {} tokens at most", count));
  }

  void show_stats() {
    const EngineInfo& info = engine_.info();
    const RequestResult& r = last_.result;
    const auto prompt = static_cast<int64_t>(last_.request.prompt_ids.size());
    const auto output = static_cast<int64_t>(r.output_ids.size());
    std::string text = fmt::format("conversation  {} turns, {} of {} tokens\n", talk_.turns(),
                                   talk_.turns() == 0 ? 0 : prompt + output, info.max_seq_len);
    if (output > 0) {
      text += fmt::format(
          "last answer   {} tokens at {:.0f} tok/s, after a prompt of {}: {} from the cache, {} at "
          "{:.0f} tok/s\n",
          output, per_second(static_cast<double>(output - 1), r.decode_s), prompt,
          r.cached_prompt_tokens, prompt - r.cached_prompt_tokens,
          per_second(static_cast<double>(prompt - r.cached_prompt_tokens), r.prefill_s));
      if (last_.request.digest) text += fmt::format("digest        {}\n", hex_digest(r.digest));
    }
    text += fmt::format("loaded        in {:.1f} s, {} {}, {}; MB of weights (memory at its peak):",
                        info.load_s, info.device, info.isa, info.dtype);
    for (const RankReport& rank : engine_.report()) {
      text += fmt::format(" {:.0f} ({:.0f})", static_cast<double>(rank.weight_bytes) / 1e6,
                          static_cast<double>(rank.peak_rss_bytes) / 1e6);
    }
    talker_.say(text);
  }

  Engine& engine_;
  Talker talker_;
  Conversation talk_;
  Talker::Answer last_;
};

void run(const TalkOptions& options) {
  const std::string& folder = options.model.engine.model_path;
  require_vocabulary(folder);
  const auto prompter = ChatPrompter::load(folder);
  if (prompter == nullptr &&
      std::filesystem::exists(std::filesystem::path(folder) / "config.json")) {
    bad_input(
        "{}: a base checkpoint, which knows no conversations (no chat template, no chat_format): "
        "use tandem generate --prompt",
        folder);
  }
  const LoadedEngine engine = load_engine(options.model);
  converse(options, *engine, *prompter);
}

}  // namespace

void converse(const TalkOptions& options, Engine& engine, const ChatPrompter& prompter) {
  Chat(options, engine, prompter).run();
}

void add_chat(CLI::App& app) {
  auto options = std::make_shared<TalkOptions>();
  CLI::App* command = app.add_subcommand("chat", "A conversation: questions are read line by line");
  add_talk_options(*command, *options);
  command->add_option("--system", options->system, "system message");
  command->footer(std::string("In the conversation:\n") + kHelp);
  command->callback([options] { run(*options); });
}

}  // namespace tandem::cli
