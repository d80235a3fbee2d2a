// The subcommands: one file and one function each, listed in main.cc. A subcommand's callback
// prints its result to stdout and throws tandem::Error on failure; main turns that into "tandem:
// error: ..." and the exit code.
#pragma once

#include <CLI/App.hpp>

namespace tandem::cli {

void add_tokenize(CLI::App& app);
void add_detokenize(CLI::App& app);
void add_render(CLI::App& app);
void add_sample(CLI::App& app);
void add_import(CLI::App& app);
void add_quantize(CLI::App& app);
void add_inspect(CLI::App& app);
void add_generate(CLI::App& app);
void add_score(CLI::App& app);
void add_chat(CLI::App& app);
void add_bench(CLI::App& app);
/// The mode without a command: its options belong to `app` itself.
void add_plain(CLI::App& app);

}  // namespace tandem::cli
