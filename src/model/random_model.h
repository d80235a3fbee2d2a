// Models of well-known shapes with random weights, made in memory: what `tandem bench --shape`
// runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/hf_folder.h"

namespace tandem {

/// "smollm2-135m", "tinyllama-1.1b", ...
std::vector<std::string> shape_names();

/// A folder's place is taken by "shape:NAME" wherever a model path is given.
constexpr std::string_view kShapePrefix = "shape:";

/// HfFolder::open(), and for "shape:NAME" the named shape with random BF16 weights, the same on
/// every rank. Throws Error(kBadInput) that lists the names.
HfFolder open_model(const std::string& path);
/// The configurations only, as HfFolder::open_config().
HfFolder open_model_config(const std::string& path);

}  // namespace tandem
