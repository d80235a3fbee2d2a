// What subcommands read: files, standard input, lists of ids.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"

namespace tandem::cli {

/// The whole of a file, or of standard input for "-". Throws Error(kBadInput) naming the file.
std::string read_source(const std::string& path);

/// Calls `each` with every line of a source of JSON lines (objects; empty lines are none) and with
/// the line's name, "FILE line 3". Throws Error(kBadInput) naming the line that is no object.
void for_each_json_line(
    const std::string& path,
    const std::function<void(const JsonReader& line, const std::string& where)>& each);

/// Ids from "1,2,3" (also separated by white space), from a file "@FILE" or from standard input
/// "-" (also "@-"). Throws Error(kBadInput) naming `option` and what is no id.
std::vector<int32_t> parse_ids(const std::string& text, std::string_view option);

/// A JSON list of ids; `where` begins the message of Error(kBadInput).
std::vector<int32_t> parse_ids_json(const Json& list, const std::string& where);

}  // namespace tandem::cli
