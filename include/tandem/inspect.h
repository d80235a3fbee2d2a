// What a folder is and how it would be split, without loading it.
#pragma once

#include <string>

#include "tandem/model.h"

namespace tandem {

/// The JSON of `tandem inspect --json` (docs: design of the command line). kv_cache and quantize as
/// in EngineOptions. Throws Error on a folder that cannot be loaded.
std::string inspect_json(const std::string& folder, int world_size,
                         const std::string& kv_cache = "auto", const std::string& quantize = "none",
                         const Families& families = {});

}  // namespace tandem
