// The safetensors format: 8 bytes of header length (little-endian), the header as a JSON object of
// {name: {dtype, shape, data_offsets}}, then the data without holes.
#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "checkpoint/tensor_store.h"
#include "json/json.h"

namespace tandem {
namespace {

static_assert(std::endian::native == std::endian::little, "stored tensors are little-endian");

constexpr uint64_t kMaxHeader = 100'000'000;  // the format's own limit
constexpr size_t kMaxRank = 16;

struct TypeInfo {
  std::string_view name;
  uint64_t bits;
  std::optional<DType> dtype;
};

constexpr TypeInfo kTypes[] = {
    {"F32", 32, DType::kF32},
    {"F16", 16, DType::kF16},
    {"BF16", 16, DType::kBF16},
    {"I8", 8, DType::kI8},
    {"U8", 8, DType::kU8},
    {"I32", 32, DType::kI32},
    {"BOOL", 8, std::nullopt},
    {"F4", 4, std::nullopt},
    {"F6_E2M3", 6, std::nullopt},
    {"F6_E3M2", 6, std::nullopt},
    {"F8_E5M2", 8, std::nullopt},
    {"F8_E4M3", 8, std::nullopt},
    {"F8_E8M0", 8, std::nullopt},
    {"F8_E4M3FNUZ", 8, std::nullopt},
    {"F8_E5M2FNUZ", 8, std::nullopt},
    {"I16", 16, std::nullopt},
    {"U16", 16, std::nullopt},
    {"U32", 32, std::nullopt},
    {"F64", 64, std::nullopt},
    {"I64", 64, std::nullopt},
    {"U64", 64, std::nullopt},
    {"C64", 64, std::nullopt},
};

const TypeInfo& type_info(const std::string& name, const std::string& where) {
  for (const TypeInfo& type : kTypes) {
    if (type.name == name) return type;
  }
  bad_input("{} is \"{}\", which is no type of safetensors that tandem knows", where, name);
}

/// Bytes that the shape needs; refuses a product that overflows or is no whole number of bytes.
uint64_t shape_bytes(const StoredTensor& tensor, uint64_t bits, const std::string& where) {
  uint64_t total = bits;
  for (const int64_t dimension : tensor.shape) {
    if (__builtin_mul_overflow(total, static_cast<uint64_t>(dimension), &total)) {
      bad_input("{}: shape {} of {} has more bytes than can be counted", where,
                shape_text(tensor.shape), tensor.stored_dtype);
    }
  }
  if (total % 8 != 0) {
    bad_input("{}: shape {} of {} ends inside a byte", where, shape_text(tensor.shape),
              tensor.stored_dtype);
  }
  return total / 8;
}

/// The header's JSON text; checks the length in front of it.
std::string_view header_text(std::span<const std::byte> file, const std::string& path) {
  if (file.size() < 8) {
    bad_input("{}: {} bytes; a safetensors file has at least 8", path, file.size());
  }
  uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  if (length > kMaxHeader) {
    bad_input("{}: header of {} bytes; at most {} are legal (is this a safetensors file?)", path,
              length, kMaxHeader);
  }
  if (length > file.size() - 8) {
    bad_input("{}: the header has {} bytes but only {} follow; the file is truncated", path, length,
              file.size() - 8);
  }
  return {reinterpret_cast<const char*>(file.data()) + 8, static_cast<size_t>(length)};
}

StoredTensor parse_entry(const std::string& name, const Json& entry, const std::string& path) {
  const JsonReader reader(entry, path, fmt::format("tensor \"{}\"", name));
  StoredTensor tensor;
  tensor.name = name;
  tensor.stored_dtype = reader.string("dtype");
  const TypeInfo& type = type_info(tensor.stored_dtype, reader.where("dtype"));
  tensor.dtype = type.dtype;
  const Json::Array& shape = reader.array("shape");
  if (shape.size() > kMaxRank) {
    bad_input("{} has {} dimensions; at most {} are read", reader.where("shape"), shape.size(),
              kMaxRank);
  }
  for (const Json& dimension : shape) {
    if (!dimension.is_int() || dimension.integer() < 0) {
      bad_input("{} holds {}; integers >= 0 are expected", reader.where("shape"),
                dimension.dump().substr(0, 60));
    }
    tensor.shape.push_back(dimension.integer());
  }
  const Json::Array& offsets = reader.array("data_offsets");
  if (offsets.size() != 2 || !offsets[0].is_int() || !offsets[1].is_int() ||
      offsets[0].integer() < 0 || offsets[1].integer() < offsets[0].integer()) {
    bad_input("{} is {}; [begin, end] with 0 <= begin <= end is expected",
              reader.where("data_offsets"), Json(offsets).dump().substr(0, 60));
  }
  tensor.offset = static_cast<size_t>(offsets[0].integer());
  tensor.bytes = static_cast<size_t>(offsets[1].integer()) - tensor.offset;
  const std::string where = fmt::format("{}: tensor \"{}\"", path, name);
  const uint64_t expected = shape_bytes(tensor, type.bits, where);
  if (expected != tensor.bytes) {
    bad_input("{}: shape {} of {} needs {} bytes but data_offsets [{}, {}] span {}", where,
              shape_text(tensor.shape), tensor.stored_dtype, expected, tensor.offset,
              tensor.offset + tensor.bytes, tensor.bytes);
  }
  return tensor;
}

/// The data must be covered once and completely.
void check_cover(const std::vector<StoredTensor>& tensors, uint64_t data_bytes,
                 const std::string& path) {
  uint64_t end = 0;
  for (const StoredTensor& tensor : tensors) {
    if (tensor.offset + tensor.bytes > data_bytes) {
      bad_input(
          "{}: tensor \"{}\" ends at byte {} of the data but the file has only {}; it is "
          "truncated or damaged",
          path, tensor.name, tensor.offset + tensor.bytes, data_bytes);
    }
    if (tensor.offset != end) {
      bad_input(
          "{}: tensor \"{}\" begins at byte {} of the data where the one before ends at {}: {}",
          path, tensor.name, tensor.offset, end,
          tensor.offset < end ? "they overlap" : "there is a hole");
    }
    end += tensor.bytes;
  }
  if (end != data_bytes) {
    bad_input("{}: the tensors end at byte {} of the data but the file has {}", path, end,
              data_bytes);
  }
}

}  // namespace

int64_t StoredTensor::elements() const {
  int64_t count = 1;
  for (const int64_t dimension : shape) count *= dimension;
  return count;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::vector<StoredTensor> parse_safetensors(std::span<const std::byte> file,
                                            const std::string& path) {
  const std::string_view text = header_text(file, path);
  JsonLimits limits;
  limits.max_bytes = kMaxHeader;
  limits.max_depth = 8;
  limits.max_values = size_t{4} << 20;
  const Json header = Json::parse(text, path + ": header", limits);
  if (!header.is_object()) {
    bad_input("{}: the header is {}; an object is expected", path, header.kind());
  }
  std::vector<StoredTensor> tensors;
  for (const auto& [name, entry] : header.object()) {
    if (name != "__metadata__") tensors.push_back(parse_entry(name, entry, path));
  }
  std::sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
    return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
  });
  check_cover(tensors, file.size() - 8 - text.size(), path);
  const size_t data_begin = 8 + text.size();
  for (StoredTensor& tensor : tensors) {
    tensor.offset += data_begin;
    tensor.data = file.data() + tensor.offset;
  }
  return tensors;
}

}  // namespace tandem
