// A Hugging Face folder as it lies on disk: configuration as JSON and tensors. Knows no model.
#pragma once

#include <optional>
#include <string>

#include "checkpoint/tensor_store.h"
#include "json/json.h"

namespace tandem {

struct HfFolder {
  std::string path;
  std::string config_path;      ///< path of config.json, for messages
  std::string generation_path;  ///< path of generation_config.json, for messages
  Json config;                  ///< an object
  Json generation_config;       ///< an object, empty when the folder has none
  TensorStore tensors;

  /// Opens everything. Throws Error(kBadInput) naming the file and what is wrong.
  static HfFolder open(const std::string& folder);
  /// The two configurations only; `tensors` stays empty.
  static HfFolder open_config(const std::string& folder);

  /// config.json's quantization_config.quant_method ("gptq" ...), "unnamed method" when that key is
  /// missing; nothing when there is no
  /// quantization_config or it is null.
  std::optional<std::string> quantization_method() const;
};

}  // namespace tandem
