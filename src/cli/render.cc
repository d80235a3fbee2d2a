// tandem render: a conversation as the text (and ids) that the model sees.
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
  std::string template_path;
  std::string messages;
  std::string tools;
  std::string documents;
  std::string vars;
  std::string now;
  bool no_generation_prompt = false;
  bool json = false;
};

std::string source_or_empty(const std::string& path) {
  return path.empty() ? "" : read_source(path);
}

std::unique_ptr<ChatTemplate> load_template(const Options& options) {
  if (!options.template_path.empty()) {
    return ChatTemplate::parse(read_source(options.template_path), options.template_path);
  }
  auto chat = ChatTemplate::load(options.model_path);
  if (chat == nullptr) {
    bad_input(
        "{}: has no chat template (neither chat_template.jinja nor chat_template in "
        "tokenizer_config.json); give one with --template",
        options.model_path);
  }
  return chat;
}

std::vector<int32_t> encode(const std::string& folder, const std::string& text) {
  // The template has written the special tokens itself.
  return Tokenizer::load(folder)->encode(text, {.add_special_tokens = false});
}

void run(const Options& options) {
  if (options.model_path.empty() == options.template_path.empty()) {
    bad_input("render needs either --model_path or --template");
  }
  ChatTemplate::Input input;
  input.messages_json = read_source(options.messages);
  input.tools_json = source_or_empty(options.tools);
  input.documents_json = source_or_empty(options.documents);
  input.variables_json = source_or_empty(options.vars);
  input.add_generation_prompt = !options.no_generation_prompt;
  input.now = options.now;
  const std::string text = load_template(options)->render(input);
  std::string out = text;
  if (options.json) {
    Json result = Json::Object{};
    result.set("text", text);
    if (!options.model_path.empty()) {
      const auto ids = encode(options.model_path, text);
      result.set("ids", Json::Array(ids.begin(), ids.end()));
    }
    out = result.dump() + "\n";
  }
  std::fwrite(out.data(), 1, out.size(), stdout);
}

}  // namespace

void add_render(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("render", "Apply a chat template to a conversation");
  command->add_option("--model_path", options->model_path,
                      "Folder of the checkpoint: its template and special tokens");
  command->add_option("--template", options->template_path, "File with a chat template");
  command
      ->add_option("--messages", options->messages,
                   "File with a JSON array of {\"role\", \"content\"}; - is standard input")
      ->required();
  command->add_option("--tools", options->tools, "File with a JSON array of tools");
  command->add_option("--documents", options->documents, "File with a JSON array of documents");
  command->add_option("--vars", options->vars, "File with a JSON object of further variables");
  command->add_option("--now", options->now,
                      "What strftime_now sees: YYYY-MM-DDTHH:MM:SS (default: the clock)");
  command->add_flag("--no_generation_prompt", options->no_generation_prompt,
                    "End behind the last message instead of opening the answer");
  command->add_flag("--json", options->json, "JSON: text, and ids when a model is given");
  command->callback([options] { run(*options); });
}

}  // namespace tandem::cli
