// tandem score: log-probabilities of given ids.
#include <fmt/format.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <vector>

#include "base/check.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/model_options.h"

namespace tandem::cli {
namespace {

struct ScoreOptions {
  ModelOptions model;
  std::string text, ids, file;
  bool logits = false;
};

const Tokenizer& need_tokenizer(const Engine& engine) {
  if (engine.tokenizer() == nullptr)
    bad_input("the folder has no tokenizer: give ids instead of text");
  return *engine.tokenizer();
}

Json::Object result_json(const Request& request, const RequestResult& result, bool logits) {
  Json::Object out;
  out.reserve(32);
  out.emplace_back("ids", ids_json(request.prompt_ids));
  out.emplace_back("logprobs", doubles_json(result.logprobs));
  out.emplace_back("argmax", ids_json(result.argmax));
  out.emplace_back("digest", hex_digest(result.digest));
  if (logits) out.emplace_back("logits_last", floats_json(result.logits_last));
  return out;
}

struct Input {
  std::vector<int32_t> ids;
  std::string where;  ///< before an error about it: the line of --file
};

std::vector<Input> inputs(const ScoreOptions& o, const Engine& engine) {
  const CLI::App& c = *o.model.command;
  if (c.count("--ids") > 0) return {{parse_ids(o.ids, "--ids"), ""}};
  if (c.count("--text") > 0) return {{need_tokenizer(engine).encode(o.text), ""}};
  std::vector<Input> list;
  for_each_json_line(o.file, [&](const JsonReader& line, const std::string& where) {
    if (line.has("text") == line.has("ids")) bad_input("{}: expected one of text and ids", where);
    list.push_back({line.has("ids") ? parse_ids_json(line.get("ids"), line.where("ids"))
                                    : need_tokenizer(engine).encode(line.string("text")),
                    where + ": "});
  });
  return list;
}

void print_text(const RequestResult& result) {
  double sum = 0;
  for (double v : result.logprobs) sum += v;
  fmt::print("{} log-probabilities, sum {:.6f}\n", result.logprobs.size(), sum);
}

void run(const ScoreOptions& o) {
  size_t given = 0;
  for (const char* name : {"--text", "--ids", "--file"})
    given += o.model.command->count(name) > 0 ? 1 : 0;
  if (given != 1) bad_input("score: expected exactly one of --text, --ids and --file");
  const LoadedEngine engine = load_engine(o.model);
  std::vector<Request> requests;
  std::vector<Input> given_inputs = inputs(o, *engine);
  for (Input& input : given_inputs) {
    Request request;
    request.prompt_ids = std::move(input.ids);
    request.max_new_tokens = 0;
    request.score = request.digest = true;
    request.logits_last = o.logits;
    request.sampling.temperature = 0;
    requests.push_back(std::move(request));
  }
  std::vector<uint64_t> numbers;
  for (size_t i = 0; i < requests.size(); ++i)
    numbers.push_back(submit_named(*engine, requests[i], given_inputs[i].where));
  for (size_t i = 0; i < numbers.size(); ++i) {
    const RequestResult result = engine->wait(numbers[i]);
    require_ok(result);
    if (!o.model.json) {
      print_text(result);
      continue;
    }
    Json::Object out = result_json(requests[i], result, o.logits);
    if (!o.file.empty()) out.insert(out.begin(), {"index", Json(static_cast<int64_t>(i))});
    fmt::print("{}\n", Json(std::move(out)).dump());
  }
}

}  // namespace

void add_score(CLI::App& app) {
  auto options = std::make_shared<ScoreOptions>();
  CLI::App* command = app.add_subcommand("score", "Log-probabilities of a text or of ids");
  add_engine_options(*command, options->model);
  command->add_option("--text", options->text, "text, encoded with special tokens added");
  command->add_option("--ids", options->ids, "ids 1,2,3 or @FILE or -");
  command->add_option("--file", options->file,
                      "JSON lines, each with text or ids; - is standard input");
  command->add_flag("--logits", options->logits, "with logits_last");
  command->callback([options] { run(*options); });
}

}  // namespace tandem::cli
