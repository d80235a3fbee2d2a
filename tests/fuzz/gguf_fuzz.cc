// A whole GGUF file: its table of contents, then the plan and the text files that an import would
// make of it, and the values of every tensor that is small.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "convert/dequantize.h"
#include "convert/gguf_model.h"
#include "convert/gguf_tokenizer.h"
#include "tandem/error.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void use(const tandem::GgufFile& gguf, std::span<const std::byte> file) {
  std::vector<uint16_t> values;
  for (const tandem::GgufTensor& tensor : gguf.tensors()) {
    if (!tandem::can_dequantize(tensor.type)) continue;
    require(tensor.data.data() >= file.data() &&
            tensor.data.data() + tensor.data.size() <= file.data() + file.size());
    int64_t count = 1;
    for (const int64_t dimension : tensor.shape) count *= dimension;
    values.resize(static_cast<size_t>(count));
    tandem::dequantize(tensor.type, tensor.data.data(), count, values.data());
  }
  const auto text = tandem::GgufTokenizer::read(gguf);
  require(!text.tokenizer.dump().empty());
  const auto model = tandem::GgufModel::read(gguf);
  require(!model.config().dump().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span file(reinterpret_cast<const std::byte*>(data), size);
  try {
    use(tandem::GgufFile::parse(file, "fuzz"), file);
  } catch (const tandem::Error&) {  // refused: as it should be
  }
  return 0;
}
