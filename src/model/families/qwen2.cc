// Qwen2 and Qwen2.5: biases on q, k, v; the window, when used, from layer max_window_layers on.
#include "model/config_reader.h"
#include "model/families.h"

namespace tandem {

ModelSpec qwen2_spec(const JsonReader& config) {
  using enum WeightRole;
  ModelSpec spec = llama_like_spec(config, "qwen2", {.max_positions = 32768});
  set_bias(spec, {kQuery, kKey, kValue});
  if (config.boolean_or("use_sliding_window", false)) {
    set_window(spec, config, config.integer_or("max_window_layers", 28, 0, 4096));
  }
  return spec;
}

}  // namespace tandem
