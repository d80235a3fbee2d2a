// The ids that are put around a text: the post-processors of tokenizer.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "json/json.h"

namespace tandem {

struct Frame {
  std::vector<int32_t> before;
  std::vector<int32_t> after;
};

/// Of a single sequence. ByteLevel adds nothing. Throws Error(kUnsupported) naming an unknown type.
/// `name`: the file.
Frame parse_post_processor(const Json& json, const std::string& name);

}  // namespace tandem
