// tokenizer.json, then a byte 0, then a text to encode. What loads must encode any UTF-8, or refuse
// it with an Error; ids must lead to text, the same at once and id by id.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tandem/error.h"
#include "text/tokenizer/hf_tokenizer.h"
#include "text/tokenizer/utf8.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void use(const tandem::Tokenizer& tokenizer, std::string_view text) {
  for (const bool allow : {true, false}) {
    const auto ids = tokenizer.encode(text, {.add_special_tokens = true, .allow_special = allow});
    for (const bool skip : {true, false}) {
      const std::string decoded = tokenizer.decode(ids, skip);
      require(tandem::first_invalid_utf8(decoded) == std::string::npos);
      const auto stream = tokenizer.detokenizer(skip);
      std::string pieces;
      for (const int32_t id : ids) pieces += stream->push(id);
      require(pieces + stream->finish() == decoded);
    }
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), input.size());
  try {
    const auto tokenizer = tandem::parse_tokenizer_json(input.substr(0, end), "tokenizer.json");
    use(*tokenizer, input.substr(std::min(end + 1, size)));
  } catch (const tandem::Error&) {  // refused: as it should be
  }
  return 0;
}
