// tandem quantize: a Hugging Face folder to one that is stored quantized.
#include <CLI/App.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/progress.h"
#include "tandem/convert.h"

namespace tandem::cli {
namespace {

void run(QuantizeOptions options) {
  QuantizeSummary summary;
  {
    Progress progress("quantizing");
    options.progress = progress.callback();
    summary = quantize_folder(options);
  }
  std::printf("%s: %lld tensors in %s, %lld MB of %lld\n", options.to.c_str(),
              static_cast<long long>(summary.tensors), options.format.c_str(),
              static_cast<long long>(summary.bytes / 1'000'000),
              static_cast<long long>(summary.bytes_before / 1'000'000));
}

}  // namespace

void add_quantize(CLI::App& app) {
  auto options = std::make_shared<QuantizeOptions>();
  CLI::App* command = app.add_subcommand(
      "quantize", "Quantize a folder once: what --quantize does at every load, written down");
  command->add_option("DIR", options->from, "Hugging Face folder in 16 or 32 bits")->required();
  command->add_option("OUT", options->to, "The folder to make; absent or empty")->required();
  command->add_option("--to", options->format,
                      "int8, int4 (the better form), int4_symmetric or int4_min");
  command->callback([options] { run(*options); });
}

}  // namespace tandem::cli
