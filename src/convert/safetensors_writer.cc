#include "convert/safetensors_writer.h"

#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "json/json.h"

namespace tandem {
namespace {

std::string_view stored_name(DType type) {
  switch (type) {
    case DType::kF32:
      return "F32";
    case DType::kBF16:
      return "BF16";
    case DType::kF16:
      return "F16";
    case DType::kI8:
      return "I8";
    case DType::kU8:
      return "U8";
    case DType::kI32:
      return "I32";
  }
  return "?";
}

}  // namespace

int64_t TensorHeader::bytes() const {
  int64_t total = dtype_bytes(dtype);
  for (const int64_t dimension : shape) total *= dimension;
  return total;
}

SafetensorsWriter::SafetensorsWriter(const std::string& path,
                                     const std::vector<TensorHeader>& tensors)
    : path_(path), file_(std::fopen(path.c_str(), "wbxe")) {
  if (!file_) refuse();
  Json::Object header;
  header.emplace_back("__metadata__", Json(Json::Object{{"format", Json("pt")}}));
  for (const TensorHeader& tensor : tensors) {
    Json::Array shape(tensor.shape.begin(), tensor.shape.end());
    Json::Array offsets{Json(promised_), Json(promised_ + tensor.bytes())};
    header.emplace_back(tensor.name, Json(Json::Object{
                                         {"dtype", Json(std::string(stored_name(tensor.dtype)))},
                                         {"shape", Json(std::move(shape))},
                                         {"data_offsets", Json(std::move(offsets))},
                                     }));
    promised_ += tensor.bytes();
  }
  std::string text = Json(std::move(header)).dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data is aligned
  const uint64_t length = text.size();
  if (std::fwrite(&length, sizeof(length), 1, file_.get()) != 1 ||
      std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size()) {
    refuse();
  }
}

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) refuse();
  written_ += static_cast<int64_t>(bytes.size());
}

void SafetensorsWriter::finish() {
  TANDEM_CHECK(written_ == promised_);
  if (std::fclose(file_.release()) != 0) refuse();
}

void SafetensorsWriter::refuse() const {
  fail(ErrorCode::kResource, "{}: cannot be written: {}", path_, std::strerror(errno));
}

}  // namespace tandem
