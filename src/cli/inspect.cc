// tandem inspect DIR: what a folder is and who would get which part of it.
#include "tandem/inspect.h"

#include <fmt/format.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "cli/command.h"
#include "json/json.h"

namespace tandem::cli {
namespace {

std::string range_text(const Json& range) {
  return fmt::format("[{}, {})", range.array()[0].integer(), range.array()[1].integer());
}

void print_table(const Json& info) {
  for (const auto& [key, value] : info.object()) {
    if (key != "ranks")
      fmt::print("{:<16} {}\n", key, value.is_string() ? value.string() : value.dump());
  }
  fmt::print("\n{:>4}  {:>14} {:>12} {:>18} {:>18} {:>14} {:>12}\n", "rank", "query heads",
             "kv heads", "ff columns", "vocabulary rows", "weight bytes", "kv B/token");
  int rank = 0;
  for (const Json& r : info.find("ranks")->array()) {
    fmt::print("{:>4}  {:>14} {:>12} {:>18} {:>18} {:>14} {:>12}\n", rank++,
               range_text(*r.find("query_heads")), range_text(*r.find("kv_heads")),
               range_text(*r.find("ff_columns")), range_text(*r.find("vocab_rows")),
               r.find("weight_bytes")->integer(), r.find("kv_bytes_per_token")->integer());
  }
}

}  // namespace

void add_inspect(CLI::App& app) {
  struct Options {
    std::string folder;
    int world_size = 1;
    std::string kv_cache = "auto";
    std::string quantize = "none";
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("inspect", "Family, sizes, and who gets which heads, columns and rows");
  command->add_option("DIR,--model_path", options->folder, "Hugging Face folder")->required();
  command->add_option("--world_size", options->world_size, "ranks");
  command->add_option("--kv_cache", options->kv_cache, "auto, int8, bf16, f16 or f32");
  command->add_option("--quantize", options->quantize, "weights: none (as stored), int8 or int4");
  command->add_flag("--json", options->json, "result as JSON on stdout");
  command->callback([options] {
    const std::string text =
        inspect_json(options->folder, options->world_size, options->kv_cache, options->quantize);
    if (options->json) {
      fmt::print("{}\n", text);
    } else {
      print_table(Json::parse(text, "inspect"));
    }
  });
}

}  // namespace tandem::cli
