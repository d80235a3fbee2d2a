// tandem import: a GGUF file to a Hugging Face folder.
#include <CLI/App.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/progress.h"
#include "tandem/convert.h"

namespace tandem::cli {
namespace {

void run(ImportOptions options) {
  ImportSummary summary;
  {
    Progress progress("importing");
    options.progress = progress.callback();
    summary = import_gguf(options);
  }
  for (const std::string& note : summary.notes)
    std::fprintf(stderr, "tandem: note: %s\n", note.c_str());
  std::printf("%s: %lld tensors, %lld tokens, %lld MB\n", options.folder.c_str(),
              static_cast<long long>(summary.tensors), static_cast<long long>(summary.tokens),
              static_cast<long long>(summary.bytes / 1'000'000));
}

}  // namespace

void add_import(CLI::App& app) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* command = app.add_subcommand("import",
                                         "Turn a GGUF file (LLaMA architecture; F32, F16, BF16, "
                                         "Q8_0, Q4_0, Q4_1; byte-level BPE) into "
                                         "a Hugging Face folder with bfloat16 weights");
  command->add_option("FILE.gguf", options->gguf, "The file to read")->required();
  command->add_option("DIR", options->folder, "The folder to make; absent or empty")->required();
  command->add_flag("--keep_quantized", options->keep_quantized,
                    "Keep the codes and scales of Q8_0, Q4_0 and Q4_1 as they are (default: all "
                    "weights become bfloat16)");
  command->callback([options] { run(*options); });
}

}  // namespace tandem::cli
