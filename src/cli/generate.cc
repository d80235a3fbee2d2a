// tandem generate: completes prompts given as text, chat, messages, ids or JSON lines.
#include <fmt/format.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <vector>

#include "base/check.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/model_options.h"
#include "cli/prompt_encoder.h"
#include "cli/result.h"

namespace tandem::cli {
namespace {

struct GenerateOptions {
  ModelOptions model;
  std::string prompt, chat, messages, prompt_ids, prompts;
  bool digest = false;
  bool logits = false;
};

std::string user_message(const std::string& text) {
  return Json(Json::Array{Json::Object{{"role", "user"}, {"content", text}}}).dump();
}

struct Prompt {
  std::vector<int32_t> ids;
  std::string where;  ///< before an error about it: the line of --prompts
};

std::vector<int32_t> read_prompt(const GenerateOptions& o, PromptEncoder& encoder) {
  if (o.model.command->count("--prompt") > 0) return encoder.text(o.prompt);
  if (o.model.command->count("--chat") > 0) return encoder.messages(user_message(o.chat));
  if (o.model.command->count("--messages") > 0) return encoder.messages(read_source(o.messages));
  return parse_ids(o.prompt_ids, "--prompt_ids");
}

/// One prompt a line.
std::vector<Prompt> read_prompts(const GenerateOptions& o, PromptEncoder& encoder) {
  std::vector<Prompt> list;
  for_each_json_line(o.prompts, [&](const JsonReader& line, const std::string& where) {
    if (line.has("prompt") + line.has("prompt_ids") + line.has("messages") != 1)
      bad_input("{}: expected exactly one of prompt, prompt_ids and messages", where);
    Prompt& prompt = list.emplace_back(Prompt{{}, where + ": "});
    if (line.has("prompt_ids")) {
      prompt.ids = parse_ids_json(line.get("prompt_ids"), line.where("prompt_ids"));
    } else if (line.has("prompt")) {
      prompt.ids = encoder.text(line.string("prompt"));
    } else {
      prompt.ids = encoder.messages(line.get("messages").dump());
    }
  });
  return list;
}

void run(const GenerateOptions& o) {
  const CLI::App& c = *o.model.command;
  size_t given = 0;
  for (const char* name : {"--prompt", "--chat", "--messages", "--prompt_ids", "--prompts"})
    given += c.count(name) > 0 ? 1 : 0;
  if (given != 1)
    bad_input(
        "generate: expected exactly one of --prompt, --chat, --messages, --prompt_ids and "
        "--prompts");
  if (c.count("--prompt") + c.count("--chat") + c.count("--messages") > 0)
    require_vocabulary(o.model.engine.model_path);
  const LoadedEngine engine = load_engine(o.model);
  std::vector<Request> requests;
  PromptEncoder encoder(*engine, o.model.engine.model_path);
  std::vector<Prompt> prompts = o.prompts.empty() ? std::vector{Prompt{read_prompt(o, encoder), ""}}
                                                  : read_prompts(o, encoder);
  for (Prompt& prompt : prompts) {
    Request request = request_for(o.model, engine->info(), std::move(prompt.ids));
    if (!o.model.ignore_eos) {
      for (int32_t id : encoder.chat_end_ids()) request.end_ids.push_back(id);
    }
    request.digest = o.digest;
    request.logits_last = o.logits;
    requests.push_back(std::move(request));
  }
  const bool stream = !o.model.json && requests.size() == 1;
  Engine::OnToken on_token;
  if (stream) {
    on_token = [](int32_t, const std::string& text) { print_stdout(text); };
  }
  std::vector<uint64_t> numbers;
  for (size_t i = 0; i < requests.size(); ++i)
    numbers.push_back(submit_named(*engine, requests[i], prompts[i].where, on_token));
  for (size_t i = 0; i < numbers.size(); ++i) {
    const RequestResult result = engine->wait(numbers[i]);
    require_ok(result);
    if (o.model.json) {
      Json::Object out = result_json(*engine, requests[i], result);
      if (!o.prompts.empty()) out.insert(out.begin(), {"index", Json(static_cast<int64_t>(i))});
      print_stdout(Json(std::move(out)).dump() + "\n");
    } else if (engine->tokenizer() == nullptr) {
      print_stdout(fmt::format("{}\n", ids_json(result.output_ids).dump()));
    } else {
      print_stdout(stream ? "\n" : result.text + "\n");
    }
  }
}

}  // namespace

void add_generate(CLI::App& app) {
  auto o = std::make_shared<GenerateOptions>();
  CLI::App* command = app.add_subcommand("generate", "Completes prompts");
  add_engine_options(*command, o->model);
  command->add_option("--prompt", o->prompt, "text, encoded with special tokens added");
  command->add_option("--chat", o->chat, "one user message, through the chat template");
  command->add_option("--messages", o->messages, "JSON file with messages; - is standard input");
  command->add_option("--prompt_ids", o->prompt_ids, "ids 1,2,3 or @FILE or -");
  command->add_option("--prompts", o->prompts,
                      "JSON lines, each with prompt, prompt_ids or messages; - is standard input");
  add_generation_options(*command, o->model);
  command->add_flag("--digest", o->digest, "with digest: over the logits of every output id");
  command->add_flag("--logits", o->logits, "with logits_last: the logits of the last output id");
  command->callback([o] { run(*o); });
}

}  // namespace tandem::cli
