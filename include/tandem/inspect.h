// What a folder is and how it would be split, without loading it.
#pragma once

#include <string>

namespace tandem {

/// The JSON of `tandem inspect --json` (docs: design of the command line). Throws Error on a folder
/// that cannot be loaded.
std::string inspect_json(const std::string& folder, int world_size);

}  // namespace tandem
