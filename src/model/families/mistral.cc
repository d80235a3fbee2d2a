// Mistral: LLaMA with a sliding window in every layer (null: none).
#include "model/config_reader.h"
#include "model/families.h"

namespace tandem {

ModelSpec mistral_spec(const JsonReader& config) {
  ModelSpec spec = llama_like_spec(config, "mistral", {.max_positions = 131072, .kv_heads = 8});
  set_window(spec, config, 0);
  return spec;
}

}  // namespace tandem
