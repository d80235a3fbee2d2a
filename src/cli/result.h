// What a command gives out: text as it comes, and a result as JSON.
#pragma once

#include <string>

#include "cli/model_options.h"

namespace tandem::cli {

/// Writes and flushes. Throws Error(kInternal) when nobody reads standard output any more.
void print_stdout(const std::string& text);

/// One answer with all that --json tells about it; what `request` asked for decides about `digest`
/// and `logits_last`.
Json::Object result_json(Engine& engine, const Request& request, const RequestResult& result);

/// 0 when no time has passed.
double per_second(double count, double seconds);

}  // namespace tandem::cli
