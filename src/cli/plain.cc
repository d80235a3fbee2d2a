// The mode without a command: tandem --model_type llama2|qwen|auto --model_path DIR --world_size N.
// Chat checkpoints converse, base checkpoints complete each line.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <filesystem>
#include <map>

#include "base/check.h"
#include "cli/command.h"
#include "cli/converse.h"

namespace tandem::cli {
namespace {

struct PlainOptions {
  TalkOptions talk;
  std::string model_type = "auto";
};

/// model_type of config.json that a --model_type stands for; "auto" takes what the folder says.
const std::map<std::string, std::vector<std::string>>& model_types() {
  static const std::map<std::string, std::vector<std::string>> types = {
      {"auto", {}}, {"llama2", {"llama"}}, {"qwen", {"qwen", "qwen2", "qwen3"}}};
  return types;
}

/// Before anything is loaded. A folder whose config.json cannot be read is the engine's to refuse.
void check_model_type(const PlainOptions& o) {
  const auto wanted = model_types().find(o.model_type);
  if (wanted == model_types().end())
    bad_input("--model_type is \"{}\"; expected llama2, qwen or auto", o.model_type);
  const auto config = std::filesystem::path(o.talk.model.engine.model_path) / "config.json";
  if (wanted->second.empty() || !exists(config)) return;
  const Json json = Json::parse_file(config.string());
  const std::string found = JsonReader(json, config.string()).string_or("model_type", "");
  if (std::find(wanted->second.begin(), wanted->second.end(), found) == wanted->second.end()) {
    bad_input("--model_type {} does not fit {}: its model_type is \"{}\", expected {}; use auto",
              o.model_type, config.string(), found, fmt::join(wanted->second, " or "));
  }
}

void complete_lines(const TalkOptions& options, Engine& engine) {
  Talker talker(options, engine, {});
  const PromptEncoder encoder(engine, options.model.engine.model_path);
  if (talker.to_person()) {
    talker.say(
        "A base checkpoint: each line is completed, nothing is remembered. Ctrl-C stops, Ctrl-D "
        "ends.");
  }
  std::string line;
  while (talker.read(line)) {
    try {
      talker.answer(encoder.text(line));
    } catch (const Error& error) {
      if (!talker.to_person() || error.code() != ErrorCode::kBadInput) throw;
      talker.note(error.what());
    }
  }
}

void run(const PlainOptions& options) {
  check_model_type(options);
  const std::string& folder = options.talk.model.engine.model_path;
  require_vocabulary(folder);
  const auto prompter = ChatPrompter::load(folder);
  const LoadedEngine engine = load_engine(options.talk.model);
  if (prompter != nullptr) {
    converse(options.talk, *engine, *prompter);
  } else {
    complete_lines(options.talk, *engine);
  }
}

}  // namespace

void add_plain(CLI::App& app) {
  auto options = std::make_shared<PlainOptions>();
  app.add_option("--model_type", options->model_type, "llama2, qwen or auto (as the folder says)");
  add_talk_options(app, options->talk);
  app.add_option("--system", options->talk.system, "system message of a conversation");
  app.callback([options] { run(*options); });
}

}  // namespace tandem::cli
