// Checks for programmer errors and short ways to throw tandem::Error with a formatted message.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "tandem/error.h"

namespace tandem {

template <typename... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

/// Refuses input: throws Error(kBadInput) with the formatted message.
template <typename... Args>
[[noreturn]] void bad_input(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorCode::kBadInput, fmt::format(format, std::forward<Args>(args)...));
}

/// Refuses something well-formed that tandem does not run: throws Error(kUnsupported).
template <typename... Args>
[[noreturn]] void unsupported(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorCode::kUnsupported, fmt::format(format, std::forward<Args>(args)...));
}

[[noreturn]] inline void check_failed(const char* file, int line, const char* condition) {
  fail(ErrorCode::kInternal, "internal error: {}:{}: {} does not hold; please report this", file,
       line, condition);
}

}  // namespace tandem

/// For programmer errors only; input errors go through bad_input().
#define TANDEM_CHECK(condition)                                               \
  do {                                                                        \
    if (!(condition)) ::tandem::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)
