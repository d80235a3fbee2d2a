#include "text/tokenizer/sentencepiece_proto.h"

#include <cstdint>

#include "base/check.h"
#include "text/tokenizer/function_ref.h"

namespace tandem {
namespace {

struct Field {
  uint64_t number = 0;
  uint64_t value = 0;      // of a varint
  std::string_view bytes;  // of a length-delimited field
};

/// Walks the fields of one message (protobuf wire format, types 0, 1, 2 and 5).
class FieldReader {
 public:
  FieldReader(std::string_view message, const std::string& path) : rest_(message), path_(path) {}

  bool next(Field& field) {
    if (rest_.empty()) return false;
    const uint64_t tag = varint();
    field = {tag >> 3, 0, {}};
    switch (tag & 7u) {
      case 0:
        field.value = varint();
        return true;
      case 1:
        take(8);
        return true;
      case 2:
        field.bytes = take(varint());
        return true;
      case 5:
        take(4);
        return true;
      default:
        bad_input("{}: is no SentencePiece model (wire type {})", path_, tag & 7u);
    }
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    bad_input("{}: is no SentencePiece model (a number of more than 10 bytes)", path_);
  }
  std::string_view take(uint64_t size) {
    if (size > rest_.size()) bad_input("{}: is no SentencePiece model, or cut short", path_);
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view rest_;
  const std::string& path_;
};

void for_each_field(std::string_view message, const std::string& path,
                    FunctionRef<void(const Field&)> use) {
  FieldReader reader(message, path);
  for (Field field; reader.next(field);) use(field);
}

}  // namespace

SentencePieceSpec read_sentencepiece_spec(std::string_view model, const std::string& path) {
  constexpr uint64_t kUnigram = 1;
  constexpr uint64_t kUserDefined = 4;
  SentencePieceSpec spec;
  for_each_field(model, path, [&](const Field& top) {
    if (top.number == 1) {  // pieces
      for_each_field(top.bytes, path, [&](const Field& f) {
        if (f.number == 3 && f.value == kUserDefined) spec.user_defined = true;
      });
    } else if (top.number == 2) {  // trainer_spec
      for_each_field(top.bytes, path, [&](const Field& f) {
        if (f.number == 3) spec.unigram = f.value == kUnigram;
        if (f.number == 24) spec.whitespace_as_suffix = f.value != 0;
      });
    } else if (top.number == 3) {  // normalizer_spec
      for_each_field(top.bytes, path, [&](const Field& f) {
        if (f.number == 3) spec.dummy_prefix = f.value != 0;
        if (f.number == 4) spec.remove_extra_whitespaces = f.value != 0;
      });
    }
  });
  return spec;
}

}  // namespace tandem
