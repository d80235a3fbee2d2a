// Entry of the command line: which subcommands exist, how options may be spelled, how errors end
// the program.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <charconv>
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

/// The option of `command` that `arg` names ("--max-new-tokens=4": max_new_tokens); nullptr: none.
CLI::Option* named_option(CLI::App& command, const std::string& arg) {
  if (arg.size() <= 2 || !arg.starts_with("--")) return nullptr;
  std::string name = arg.substr(0, arg.find('='));
  std::replace(name.begin() + 2, name.end(), '-', '_');
  return command.get_option_no_throw(name);
}

/// A dash is accepted where an option's name has an underscore. What follows an option that takes a
/// value is left as it is.
std::vector<std::string> with_underscores(CLI::App& app, int argc, char** argv) {
  CLI::App* command = &app;
  if (argc > 1) {
    for (CLI::App* one : app.get_subcommands([](CLI::App*) { return true; })) {
      if (one->check_name(argv[1])) command = one;
    }
  }
  std::vector<std::string> args;
  bool value = false;
  for (int i = 1; i < argc; ++i) {
    std::string arg = argv[i];
    CLI::Option* option = value ? nullptr : named_option(*command, arg);
    const size_t end = arg.find('=');
    if (option != nullptr) {
      std::replace(arg.begin() + 2, end == std::string::npos ? arg.end() : arg.begin() + end, '-',
                   '_');
    }
    value = option != nullptr && end == std::string::npos && option->get_items_expected_min() > 0;
    args.push_back(std::move(arg));
  }
  std::reverse(args.begin(), args.end());  // CLI11 takes the arguments last first
  return args;
}

/// What was printed is out, or Error.
void flush_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    throw tandem::Error(tandem::ErrorCode::kInternal, "standard output cannot be written");
}

/// Descriptors 0 to 2 exist, so that nothing opened later takes their place.
void open_standard_streams() {
  int fd = 0;
  do {
    fd = open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= 2);
  if (fd > 2) close(fd);
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

/// A whole number as people write it; empty: it is one. CLI11 alone takes 010 for eight and what is
/// too large for the largest number.
std::string decimal(const std::string& text) {
  const std::string_view digits = std::string_view(text).substr(text.starts_with("-") ? 1 : 0);
  const bool whole = digits.find_first_not_of("0123456789") == digits.npos && !digits.empty();
  uint64_t value = 0;
  const auto end = digits.data() + digits.size();
  const bool fits = std::from_chars(digits.data(), end, value).ec == std::errc();
  if (!whole) return text + " is not a decimal number";
  if (digits.size() > 1 && digits[0] == '0') return text + " begins with 0: write it without";
  return fits ? "" : text + " is too large";
}

void check_numbers(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    const std::string type = option->get_type_name();
    if (type.starts_with("INT") || type.starts_with("UINT")) option->check(decimal);
  }
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    check_numbers(*command);
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
  tandem::cli::add_quantize(app);
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
  open_standard_streams();
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
    check_numbers(*app);
    app->parse(with_underscores(*app, argc, argv));
    flush_output();
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
