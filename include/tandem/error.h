// The one exception type of the library, and the per-request status.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace tandem {

enum class ErrorCode {
  kBadInput,     ///< A file, config, option, template or prompt is wrong. Exit code 2.
  kUnsupported,  ///< Well-formed, but tandem does not run it (named in the message). Exit code 2.
  kResource,     ///< Memory, disk or a limit of the machine. Exit code 2 before loading, else 1.
  kRankFailure,  ///< A rank died, hung or disagreed; the message names it. Exit code 1.
  kAborted,      ///< Ended on purpose: cancelled, interrupted. Exit code 130 at the command line.
  kInternal,     ///< A failed check. Exit code 1.
};

/// Thrown for load, config and API misuse. The message names the thing, the value found, what was
/// expected and what to do; it is one line.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

/// What became of one request. A problem of a request never touches another one.
struct Status {
  bool ok = true;
  ErrorCode code = ErrorCode::kInternal;  ///< Meaningful when !ok.
  std::string message;

  static Status failure(ErrorCode error_code, std::string text) {
    return Status{false, error_code, std::move(text)};
  }
};

}  // namespace tandem
