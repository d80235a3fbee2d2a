// A whole safetensors file. What is accepted must lie in the file and cover its data exactly.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "checkpoint/tensor_store.h"
#include "tandem/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span file(reinterpret_cast<const std::byte*>(data), size);
  try {
    size_t end = 0;
    for (const tandem::StoredTensor& tensor : tandem::parse_safetensors(file, "fuzz")) {
      if (end != 0 && tensor.offset != end) std::abort();
      end = tensor.offset + tensor.bytes;
      if (end > size || tensor.data != file.data() + tensor.offset) std::abort();
      if (tensor.dtype && tensor.elements() * tandem::dtype_bytes(*tensor.dtype) !=
                              static_cast<int64_t>(tensor.bytes)) {
        std::abort();
      }
    }
    if (end != 0 && end != size) std::abort();
  } catch (const tandem::Error&) {  // refused: as it should be
  }
  return 0;
}
