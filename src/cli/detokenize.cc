// tandem detokenize: ids to text.
#include <CLI/App.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/input.h"
#include "json/json.h"
#include "tandem/text.h"

namespace tandem::cli {
namespace {

struct Options {
  std::string model_path;
  std::string ids;
  bool no_special = false;
  bool json = false;
};

void run(const Options& options) {
  const auto tokenizer = Tokenizer::load(options.model_path);
  std::string out = tokenizer->decode(parse_ids(options.ids, "--ids"), options.no_special);
  if (options.json) {
    Json result = Json::Object{};
    result.set("text", std::move(out));
    out = result.dump();
  }
  out += '\n';
  std::fwrite(out.data(), 1, out.size(), stdout);
}

}  // namespace

void add_detokenize(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("detokenize", "Token ids to text");
  command->add_option("--model_path", options->model_path, "Folder with the tokenizer's files")
      ->required();
  command->add_option("--ids", options->ids, "1,2,3 or @FILE or - (standard input)")->required();
  command->add_flag("--no_special", options->no_special, "Leave special tokens out of the text");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options] { run(*options); });
}

}  // namespace tandem::cli
