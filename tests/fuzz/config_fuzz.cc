// config.json: the model that it describes. What is accepted must have sizes that can be computed
// with.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "json/json.h"
#include "model/families.h"
#include "tandem/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    const tandem::Json config = tandem::Json::parse(input, "config.json");
    const tandem::ModelSpec spec = tandem::read_model_spec(config, "config.json");
    if (spec.layers <= 0 || spec.hidden <= 0 || spec.q_heads <= 0 || spec.kv_heads <= 0 ||
        spec.kv_heads > spec.q_heads || spec.head_dim <= 0 || spec.vocab <= 0) {
      std::abort();
    }
  } catch (const tandem::Error&) {  // refused: as it should be
  }
  return 0;
}
