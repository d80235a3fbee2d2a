#include "checkpoint/gguf.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/arithmetic.h"
#include "base/check.h"
#include "checkpoint/gguf_reader.h"

namespace tandem {
namespace {

constexpr uint64_t kMaxName = 65535;
constexpr uint32_t kMaxDimensions = 4;
constexpr int64_t kMaxElements = int64_t{1} << 48;

struct KnownType {
  uint32_t id;
  std::string_view name;
  int64_t block;
  int64_t bytes;
};
// Those with a block of 0 are known by name only.
constexpr KnownType kTensorTypes[] = {
    {0, "F32", 1, 4},     {1, "F16", 1, 2},      {2, "Q4_0", 32, 18},  {3, "Q4_1", 32, 20},
    {8, "Q8_0", 32, 34},  {30, "BF16", 1, 2},    {6, "Q5_0", 0, 0},    {7, "Q5_1", 0, 0},
    {9, "Q8_1", 0, 0},    {10, "Q2_K", 0, 0},    {11, "Q3_K", 0, 0},   {12, "Q4_K", 0, 0},
    {13, "Q5_K", 0, 0},   {14, "Q6_K", 0, 0},    {15, "Q8_K", 0, 0},   {16, "IQ2_XXS", 0, 0},
    {17, "IQ2_XS", 0, 0}, {18, "IQ3_XXS", 0, 0}, {19, "IQ1_S", 0, 0},  {20, "IQ4_NL", 0, 0},
    {21, "IQ3_S", 0, 0},  {22, "IQ2_S", 0, 0},   {23, "IQ4_XS", 0, 0}, {24, "I8", 0, 0},
    {25, "I16", 0, 0},    {26, "I32", 0, 0},     {27, "I64", 0, 0},    {28, "F64", 0, 0},
    {29, "IQ1_M", 0, 0},  {34, "TQ1_0", 0, 0},   {35, "TQ2_0", 0, 0},  {39, "MXFP4", 0, 0},
};

GgufTensorType tensor_type(uint32_t id) {
  for (const KnownType& known : kTensorTypes) {
    if (known.id == id) return {id, std::string(known.name), known.block, known.bytes};
  }
  return {id, fmt::format("type {}", id), 0, 0};
}

/// Bytes of one value of a type of fixed size; 0 for strings and arrays.
size_t fixed_size(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    case GgufType::kString:
    case GgufType::kArray:
      return 0;
  }
  return 0;
}

GgufType read_type(GgufReader& reader, const std::string& key) {
  const auto number = reader.read<uint32_t>();
  if (number > static_cast<uint32_t>(GgufType::kF64)) {
    bad_input("{}: \"{}\" has value type {}; 0 to 12 are legal", reader.path(), key, number);
  }
  return static_cast<GgufType>(number);
}

GgufValue read_value(GgufReader& reader, const std::string& key) {
  GgufValue value;
  value.type = value.element = read_type(reader, key);
  if (value.type == GgufType::kArray) {
    value.element = read_type(reader, key);
    value.count = reader.read<uint64_t>();
    if (value.element == GgufType::kArray) {
      unsupported("{}: \"{}\" is an array of arrays, which is not read", reader.path(), key);
    }
  }
  const size_t begin = reader.position();
  if (value.element == GgufType::kString) {
    // Each takes 8 bytes or more, so the end of the file bounds the loop.
    for (uint64_t i = 0; i < value.count; ++i) reader.string(UINT64_MAX, "a string of " + key);
  } else {
    const size_t size = fixed_size(value.element);
    if (value.count > reader.left() / size) {
      bad_input("{}: \"{}\" has {} elements of {} bytes but only {} bytes follow", reader.path(),
                key, value.count, size, reader.left());
    }
    reader.skip(value.count * size);
  }
  value.raw = reader.since(begin);
  return value;
}

struct TensorEntry {
  GgufTensor tensor;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

/// Name, shape, type and offset of one tensor. Refuses what cannot be counted.
TensorEntry read_entry(GgufReader& reader) {
  TensorEntry entry;
  GgufTensor& tensor = entry.tensor;
  tensor.name = reader.string(kMaxName, "a tensor's name");
  const std::string where = fmt::format("{}: tensor \"{}\"", reader.path(), tensor.name);
  const auto dimensions = reader.read<uint32_t>();
  if (dimensions == 0 || dimensions > kMaxDimensions) {
    bad_input("{} has {} dimensions; 1 to {} are legal", where, dimensions, kMaxDimensions);
  }
  int64_t elements = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    const auto size = reader.read<uint64_t>();
    if (size == 0 || size > static_cast<uint64_t>(kMaxElements / elements)) {
      bad_input("{}: dimension {} is {}; at least 1 and at most {} elements in all are legal",
                where, i, size, kMaxElements);
    }
    elements *= static_cast<int64_t>(size);
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(size));
  }
  tensor.type = tensor_type(reader.read<uint32_t>());
  entry.offset = reader.read<uint64_t>();
  if (tensor.type.block == 0) return entry;
  if (tensor.shape.back() % tensor.type.block != 0) {
    bad_input("{}: rows of {} elements do not divide into blocks of {} ({})", where,
              tensor.shape.back(), tensor.type.block, tensor.type.name);
  }
  entry.bytes = static_cast<uint64_t>(elements / tensor.type.block * tensor.type.block_bytes);
  return entry;
}

/// Gives every tensor its bytes and refuses tensors that leave the data or overlap.
void place_tensors(std::vector<TensorEntry>& entries, std::span<const std::byte> data,
                   const std::string& path) {
  std::vector<const TensorEntry*> order;
  for (TensorEntry& entry : entries) {
    if (entry.offset > data.size() || entry.bytes > data.size() - entry.offset) {
      bad_input(
          "{}: tensor \"{}\" lies at byte {} of the data with {} bytes, but the data has {}; "
          "the file is truncated or damaged",
          path, entry.tensor.name, entry.offset, entry.bytes, data.size());
    }
    entry.tensor.data = data.subspan(entry.offset, entry.bytes);
    order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset) {
      bad_input("{}: tensors \"{}\" and \"{}\" overlap", path, order[i - 1]->tensor.name,
                order[i]->tensor.name);
    }
  }
}

template <typename T>
T load(const std::byte* from) {
  T value{};
  std::memcpy(&value, from, sizeof(T));
  return value;
}

/// Nothing for a type that is no integer, or a value above int64.
std::optional<int64_t> load_integer(GgufType type, const std::byte* from) {
  switch (type) {
    case GgufType::kU8:
      return load<uint8_t>(from);
    case GgufType::kI8:
      return load<int8_t>(from);
    case GgufType::kU16:
      return load<uint16_t>(from);
    case GgufType::kI16:
      return load<int16_t>(from);
    case GgufType::kU32:
      return load<uint32_t>(from);
    case GgufType::kI32:
      return load<int32_t>(from);
    case GgufType::kI64:
      return load<int64_t>(from);
    case GgufType::kU64: {
      const auto value = load<uint64_t>(from);
      if (value > uint64_t{INT64_MAX}) return std::nullopt;
      return static_cast<int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

double fewest_digits(float value) {
  char text[64];
  const auto end = std::to_chars(std::begin(text), std::end(text), value).ptr;
  double result = 0;
  std::from_chars(text, end, result);
  return result;
}

}  // namespace

GgufFile GgufFile::parse(std::span<const std::byte> file, const std::string& path) {
  GgufReader reader(file, path);
  if (file.size() < 4 || std::memcmp(file.data(), "GGUF", 4) != 0) {
    bad_input("{}: does not begin with \"GGUF\"; is it a GGUF file?", path);
  }
  reader.skip(4);
  const auto version = reader.read<uint32_t>();
  if (version != 2 && version != 3) {
    unsupported("{}: GGUF version {}; versions 2 and 3 (little-endian) are read", path, version);
  }
  const auto tensor_count = reader.read<uint64_t>();
  const auto value_count = reader.read<uint64_t>();
  GgufFile result;
  result.path_ = path;
  for (uint64_t i = 0; i < value_count; ++i) {  // the end of the file bounds both loops
    std::string key(reader.string(kMaxName, "a key"));
    const GgufValue value = read_value(reader, key);
    if (!result.values_.emplace(key, value).second) {
      bad_input("{}: key \"{}\" occurs twice", path, key);
    }
  }
  std::vector<TensorEntry> entries;
  std::unordered_set<std::string> names;
  for (uint64_t i = 0; i < tensor_count; ++i) {
    entries.push_back(read_entry(reader));
    if (!names.insert(entries.back().tensor.name).second) {
      bad_input("{}: tensor \"{}\" occurs twice", path, entries.back().tensor.name);
    }
  }
  const int64_t alignment = result.integer_or("general.alignment", 32, 1, int64_t{1} << 20);
  const size_t begin =
      std::min(file.size(),
               static_cast<size_t>(round_up(static_cast<int64_t>(reader.position()), alignment)));
  place_tensors(entries, file.subspan(begin), path);
  for (TensorEntry& entry : entries) result.tensors_.push_back(std::move(entry.tensor));
  return result;
}

std::vector<std::string> GgufFile::keys() const {
  std::vector<std::string> names;
  for (const auto& [key, value] : values_) names.push_back(key);
  std::sort(names.begin(), names.end());
  return names;
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = values_.find(std::string(key));
  return found == values_.end() ? nullptr : &found->second;
}

const GgufValue& GgufFile::get(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) bad_input("{}: key \"{}\" is missing", path_, key);
  return *value;
}

int64_t GgufFile::integer(std::string_view key, int64_t min, int64_t max) const {
  const GgufValue& value = get(key);
  const auto number = load_integer(value.type, value.raw.data());
  if (!number) bad_input("{}: \"{}\" is no integer", path_, key);
  if (*number < min || *number > max) {
    bad_input("{}: \"{}\" is {}; {} to {} is expected", path_, key, *number, min, max);
  }
  return *number;
}

int64_t GgufFile::integer_or(std::string_view key, int64_t fallback, int64_t min,
                             int64_t max) const {
  return has(key) ? integer(key, min, max) : fallback;
}

double GgufFile::number(std::string_view key) const {
  const GgufValue& value = get(key);
  double number = 0;
  if (value.type == GgufType::kF32) {
    const auto stored = load<float>(value.raw.data());
    number = std::isfinite(stored) ? fewest_digits(stored) : static_cast<double>(stored);
  } else if (value.type == GgufType::kF64) {
    number = load<double>(value.raw.data());
  } else if (const auto whole = load_integer(value.type, value.raw.data())) {
    number = static_cast<double>(*whole);
  } else {
    bad_input("{}: \"{}\" is no number", path_, key);
  }
  if (!std::isfinite(number))
    bad_input("{}: \"{}\" is {}; a finite number is expected", path_, key, number);
  return number;
}

bool GgufFile::boolean_or(std::string_view key, bool fallback) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return fallback;
  if (value->type != GgufType::kBool) bad_input("{}: \"{}\" is no boolean", path_, key);
  return value->raw[0] != std::byte{0};
}

std::string_view GgufFile::string(std::string_view key) const {
  const GgufValue& value = get(key);
  if (value.type != GgufType::kString) bad_input("{}: \"{}\" is no string", path_, key);
  return GgufReader(value.raw, path_).string(UINT64_MAX, key);
}

std::vector<std::string_view> GgufFile::strings(std::string_view key) const {
  const GgufValue& value = get(key);
  if (value.type != GgufType::kArray || value.element != GgufType::kString) {
    bad_input("{}: \"{}\" is no array of strings", path_, key);
  }
  GgufReader reader(value.raw, path_);
  std::vector<std::string_view> result;
  for (uint64_t i = 0; i < value.count; ++i) result.push_back(reader.string(UINT64_MAX, key));
  return result;
}

std::vector<int64_t> GgufFile::integers(std::string_view key) const {
  const GgufValue& value = get(key);
  const size_t size = fixed_size(value.element);
  std::vector<int64_t> result;
  if (value.type == GgufType::kArray && size > 0) {
    for (uint64_t i = 0; i < value.count; ++i) {
      const auto number = load_integer(value.element, value.raw.data() + i * size);
      if (!number) break;
      result.push_back(*number);
    }
  }
  if (value.type != GgufType::kArray || result.size() != value.count) {
    bad_input("{}: \"{}\" is no array of integers", path_, key);
  }
  return result;
}

}  // namespace tandem
