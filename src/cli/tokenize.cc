// tandem tokenize: text to ids.
#include <CLI/App.hpp>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "base/check.h"
#include "cli/command.h"
#include "cli/input.h"
#include "json/json.h"
#include "tandem/text.h"

namespace tandem::cli {
namespace {

struct Options {
  std::string model_path;
  std::optional<std::string> text;
  std::optional<std::string> jsonl;
  bool no_special = false;
  bool json = false;
};

Json to_json(const std::vector<int32_t>& ids) { return Json::Array(ids.begin(), ids.end()); }

EncodeOptions line_options(const JsonReader& line, const Options& options) {
  EncodeOptions encode;
  encode.add_special_tokens = line.boolean_or("add_special_tokens", !options.no_special);
  const std::string allowed = line.string_or("allowed_special", "all");
  if (allowed != "all" && allowed != "none")
    bad_input("{} is \"{}\"; expected \"all\" or \"none\"", line.where("allowed_special"), allowed);
  encode.allow_special = allowed == "all";
  return encode;
}

std::string encode_line(const Tokenizer& tokenizer, const JsonReader& line,
                        const Options& options) {
  const auto ids = tokenizer.encode(line.string("text"), line_options(line, options));
  Json result = Json::Object{};
  result.set("ids", to_json(ids));
  result.set("decoded", tokenizer.decode(ids, false));
  result.set("decoded_skip_special", tokenizer.decode(ids, true));
  return result.dump() + "\n";
}

/// The results of all lines: nothing is printed when one of them fails.
std::string encode_lines(const Tokenizer& tokenizer, const Options& options) {
  std::string out;
  for_each_json_line(*options.jsonl, [&](const JsonReader& line, const std::string&) {
    out += encode_line(tokenizer, line, options);
  });
  return out;
}

std::string encode_text(const Tokenizer& tokenizer, const Options& options) {
  EncodeOptions encode;
  encode.add_special_tokens = !options.no_special;
  const auto ids = tokenizer.encode(*options.text, encode);
  if (options.json) {
    Json result = Json::Object{};
    result.set("ids", to_json(ids));
    return result.dump() + "\n";
  }
  std::string out;
  for (const int32_t id : ids) out += (out.empty() ? "" : ",") + std::to_string(id);
  return out + "\n";
}

void run(const Options& options) {
  if (options.text.has_value() == options.jsonl.has_value())
    bad_input("tokenize: exactly one of --text and --jsonl is needed");
  const auto tokenizer = Tokenizer::load(options.model_path);
  const std::string out =
      options.text ? encode_text(*tokenizer, options) : encode_lines(*tokenizer, options);
  std::fwrite(out.data(), 1, out.size(), stdout);
}

}  // namespace

void add_tokenize(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("tokenize", "Text to token ids");
  command->add_option("--model_path", options->model_path, "Folder with the tokenizer's files")
      ->required();
  command->add_option("--text", options->text, "The text");
  command->add_option("--jsonl", options->jsonl,
                      "File (- is standard input) of JSON lines with \"text\" and, by choice, "
                      "\"add_special_tokens\" and \"allowed_special\" (all or none)");
  command->add_flag("--no_special", options->no_special,
                    "Leave out the tokens that the tokenizer puts around a text");
  command->add_flag("--json", options->json, "Print JSON (--jsonl always does)");
  command->callback([options] { run(*options); });
}

}  // namespace tandem::cli
