// The tensors of a Hugging Face folder: model.safetensors, or several with an index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "tensor/dtype.h"

namespace tandem {

/// One tensor as it lies in a mapped file, row-major.
struct StoredTensor {
  std::string name;
  std::string stored_dtype;    ///< the file's spelling: "BF16", "F8_E4M3" ...
  std::optional<DType> dtype;  ///< empty for types that tandem has no name for
  std::vector<int64_t> shape;
  /// Little-endian elements, not necessarily aligned to their size: safetensors promises nothing.
  const std::byte* data = nullptr;
  int file = 0;       ///< TensorStore::file_path(file)
  size_t offset = 0;  ///< from the file's beginning, bytes
  size_t bytes = 0;

  int64_t elements() const;
};

/// "[49152, 576]".
std::string shape_text(const std::vector<int64_t>& shape);

/// Reads and checks the header of a whole safetensors file that lies in memory. Returns the tensors
/// by offset. `path` begins the messages. Throws Error(kBadInput) for anything that the format
/// forbids: header beyond the file or above 100 MB, bad JSON, a duplicate name, offsets that
/// overlap, leave a hole or end elsewhere than the file, shape times type unlike the bytes.
std::vector<StoredTensor> parse_safetensors(std::span<const std::byte> file,
                                            const std::string& path);

struct NamedShape {
  std::string name;
  std::vector<int64_t> shape;
};

class RandomMemory;

/// All tensors of a folder. Immutable; the data stays mapped as long as this lives, also after a
/// move.
class TensorStore {
 public:
  /// `folder` holds model.safetensors (taken first) or model.safetensors.index.json and its files.
  /// Throws Error(kBadInput); when there are only .bin files the message has a command that
  /// converts them.
  static TensorStore open(const std::string& folder);

  /// Random BF16 values under these names, in no file: matrices and biases normal-like with
  /// deviation 0.02, vectors named "norm" ones. They share a few MiB of memory, so a model of any
  /// size costs its packed weights only. The same `shapes` give the same values on every rank.
  /// `name` begins the messages.
  static TensorStore random(const std::string& name, const std::vector<NamedShape>& shapes);

  /// By file, then offset: ranks that read in this order take each page from disk once.
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  /// nullptr when absent.
  const StoredTensor* find(std::string_view name) const;
  /// Throws Error(kBadInput) naming the tensor and where it was looked for.
  const StoredTensor& get(std::string_view name) const;
  const std::string& file_path(int file) const {
    return random_ != nullptr ? folder_ : files_[static_cast<size_t>(file)].path();
  }
  int64_t total_bytes() const;  ///< of all tensors

  /// The type of a weight. Throws Error(kUnsupported) with file, tensor and type unless it is F32,
  /// F16 or BF16.
  DType float_dtype(const StoredTensor& tensor) const;

  /// Drops the pages of [begin, end) (bytes counted from the tensor's first) after their use.
  void release(const StoredTensor& tensor, size_t begin, size_t end) const;
  /// Asks the kernel to read [begin, end) ahead.
  void prefetch(const StoredTensor& tensor, size_t begin, size_t end) const;

 private:
  void add_file(const std::string& path);

  std::string folder_;
  std::vector<MappedFile> files_;
  std::shared_ptr<RandomMemory> random_;  // of random(): then there are no files
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string_view, size_t> index_;  // keys point into tensors_
};

}  // namespace tandem
