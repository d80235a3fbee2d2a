// GGUF files, versions 2 and 3: key-value metadata, then a table of tensors, then their data.
// Layout as in the format's description by the ggml project (docs/gguf.md). Every length is checked
// against the file before it is used; nothing is copied but names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tandem {

/// Numbers as in the file.
enum class GgufType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

/// One value: raw bytes in the file, checked to be there.
struct GgufValue {
  GgufType type = GgufType::kU8;
  GgufType element = GgufType::kU8;  ///< of an array, else equal to type
  uint64_t count = 1;                ///< elements of an array
  std::span<const std::byte> raw;    ///< strings: each with its length of 8 bytes in front
};

/// Stored type of a tensor; `name` is "Q4_1", or "type 99" for a number that is not known.
struct GgufTensorType {
  uint32_t id = 0;
  std::string name;
  int64_t block = 0;        ///< elements of a block; 0 when the type cannot be read
  int64_t block_bytes = 0;  ///< bytes of a block
};

struct GgufTensor {
  std::string name;
  GgufTensorType type;
  std::vector<int64_t> shape;  ///< rows first, as Hugging Face writes it: the file's order reversed
  /// The tensor's bytes; empty when the type cannot be read.
  std::span<const std::byte> data;
};

/// The checked table of contents of a GGUF file in memory, which must outlive this.
class GgufFile {
 public:
  /// `path` begins the messages. Throws Error(kBadInput) for a damaged file, Error(kUnsupported)
  /// for another version.
  static GgufFile parse(std::span<const std::byte> file, const std::string& path);

  const std::string& path() const { return path_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  std::vector<std::string> keys() const;  ///< ascending
  bool has(std::string_view key) const { return find(key) != nullptr; }

  // Typed values. A missing key, another type or a value out of range throws Error(kBadInput) with
  // file and key. The views point into the file; strings are bytes: whether they are UTF-8 is the
  // caller's to ask.
  int64_t integer(std::string_view key, int64_t min, int64_t max) const;
  int64_t integer_or(std::string_view key, int64_t fallback, int64_t min, int64_t max) const;
  /// Finite. A 32-bit float comes as the double with the fewest digits that denotes it, so that
  /// 1e-5 stays 1e-5.
  double number(std::string_view key) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  std::string_view string(std::string_view key) const;
  std::vector<std::string_view> strings(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key) const;

 private:
  const GgufValue* find(std::string_view key) const;
  const GgufValue& get(std::string_view key) const;

  std::string path_;
  std::unordered_map<std::string, GgufValue> values_;
  std::vector<GgufTensor> tensors_;
};

}  // namespace tandem
