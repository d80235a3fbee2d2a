// What subcommands read: files, standard input, lists of ids.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"

namespace tandem::cli {

/// The whole of a file, or of standard input for "-". Throws Error(kBadInput) naming the file.
std::string read_source(const std::string& path);

/// Ids from "1,2,3" (also separated by white space), from a file "@FILE" or from standard input
/// "-" (also "@-"). Throws Error(kBadInput) naming `option` and what is no id.
std::vector<int32_t> parse_ids(const std::string& text, std::string_view option);

/// A JSON list of ids; `where` begins the message of Error(kBadInput).
std::vector<int32_t> parse_ids_json(const Json& list, const std::string& where);

}  // namespace tandem::cli
