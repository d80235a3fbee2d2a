// Entry of the command line: which subcommands exist, how options may be spelled, how errors end
// the program.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/signals.h"
#include "tandem/engine.h"
#include "tandem/error.h"

namespace {

/// "--max-new-tokens=4" -> "--max_new_tokens=4": a dash is accepted where the option's name has an
/// underscore.
std::vector<std::string> with_underscores(int argc, char** argv) {
  std::vector<std::string> args;
  for (int i = argc - 1; i > 0; --i) {  // CLI11 takes the arguments last first
    std::string arg = argv[i];
    if (arg.size() > 2 && arg.starts_with("--")) {
      const auto end = std::find(arg.begin(), arg.end(), '=');
      std::replace(arg.begin() + 2, end, '-', '_');
    }
    args.push_back(std::move(arg));
  }
  return args;
}

int exit_code(tandem::ErrorCode code) {
  switch (code) {
    case tandem::ErrorCode::kBadInput:
    case tandem::ErrorCode::kUnsupported:
    case tandem::ErrorCode::kResource:
      return 2;
    case tandem::ErrorCode::kAborted:
      return std::max(130, tandem::cli::signal_exit_code());
    case tandem::ErrorCode::kRankFailure:
    case tandem::ErrorCode::kInternal:
      return 1;
  }
  return 1;
}

bool known_command(CLI::App& app, const std::string& name) {
  const auto commands = app.get_subcommands([](CLI::App*) { return true; });
  return std::any_of(commands.begin(), commands.end(),
                     [&](CLI::App* command) { return command->check_name(name); });
}

/// Options without a command: the original's way.
bool is_plain(int argc, char** argv) {
  if (argc < 2 || argv[1][0] != '-') return false;
  const std::string first = argv[1];
  return first != "-h" && first != "--help";
}

/// A program whose options are those of the mode without a command.
std::unique_ptr<CLI::App> plain_app() {
  auto app = std::make_unique<CLI::App>(
      "Without a command, as the original: base checkpoints complete each line of the input, chat "
      "checkpoints converse.",
      "tandem");
  app->option_defaults()->always_capture_default();
  tandem::cli::add_plain(*app);
  return app;
}

std::unique_ptr<CLI::App> command_app() {
  auto owner = std::make_unique<CLI::App>(
      "tandem: tensor-parallel inference of LLaMA- and Qwen-family checkpoints", "tandem");
  CLI::App& app = *owner;
  app.option_defaults()->always_capture_default();
  app.require_subcommand(1);
  app.footer([] { return plain_app()->help(); });
  // One line per subcommand, in the order of --help.
  tandem::cli::add_chat(app);
  tandem::cli::add_generate(app);
  tandem::cli::add_score(app);
  tandem::cli::add_inspect(app);
  tandem::cli::add_sample(app);
  tandem::cli::add_bench(app);
  tandem::cli::add_tokenize(app);
  tandem::cli::add_detokenize(app);
  tandem::cli::add_render(app);
  tandem::cli::add_import(app);
  return owner;
}

int complain(const std::string& message, int code) {
  std::string line = message;
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::fprintf(stderr, "tandem: error: %s\n", line.c_str());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  tandem::run_if_worker(argc, argv);
  std::unique_ptr<CLI::App> app;
  try {
    if (is_plain(argc, argv)) {
      app = plain_app();
    } else {
      app = command_app();
      if (argc > 1 && argv[1][0] != '-' && !known_command(*app, argv[1]))
        return complain(std::string(argv[1]) + " is no command; see `tandem --help`", 2);
    }
    app->parse(with_underscores(argc, argv));
    return 0;
  } catch (const CLI::CallForHelp& help) {
    return app->exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app->exit(help);
  } catch (const CLI::ParseError& error) {
    return complain(std::string(error.what()) + "; see `tandem --help`", 2);
  } catch (const tandem::Error& error) {
    return complain(error.what(), exit_code(error.code()));
  } catch (const std::exception& error) {
    return complain(error.what(), 1);
  }
}
