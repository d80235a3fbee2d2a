// tandem import: a GGUF file to a Hugging Face folder.
#include <signal.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <csignal>
#include <cstdio>
#include <iterator>
#include <memory>
#include <string>

#include "cli/command.h"
#include "tandem/convert.h"

namespace tandem::cli {
namespace {

// A signal handler can reach nothing else.
volatile std::sig_atomic_t interrupted = 0;

/// While it lives, Ctrl-C, SIGTERM and SIGHUP are noted instead of ending the program, so that the
/// unfinished folder is removed.
class Interrupts {
 public:
  Interrupts() {
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = 1; };
    for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &action, &before_[i]);
  }
  ~Interrupts() {
    for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  }
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction before_[std::size(kSignals)] = {};
};

/// One line on a terminal's standard error, redrawn when the percentage changes; nothing elsewhere.
class ProgressBar {
 public:
  ~ProgressBar() {
    if (shown_ >= 0) std::fputs("\r\033[K", stderr);
  }
  void show(int64_t done, int64_t total) {
    const int percent = total > 0 ? static_cast<int>(100 * done / total) : 100;
    if (!terminal_ || percent == shown_) return;
    shown_ = percent;
    const std::string filled(static_cast<size_t>(percent) * 2 / 5, '#');
    std::fprintf(stderr, "\rimporting [%-40s] %3d %% of %lld MB", filled.c_str(), percent,
                 static_cast<long long>(total / 1'000'000));
    std::fflush(stderr);
  }

 private:
  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  int shown_ = -1;
};

void run(ImportOptions options) {
  const Interrupts interrupts;
  ImportSummary summary;
  {
    ProgressBar bar;
    options.progress = [&bar](int64_t done, int64_t total) {
      bar.show(done, total);
      return interrupted == 0;
    };
    summary = import_gguf(options);
  }
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
  command->callback([options] { run(*options); });
}

}  // namespace tandem::cli
