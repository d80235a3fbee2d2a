// Writes one safetensors file, tensor by tensor, without holding more than one piece in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace tandem {

struct TensorHeader {
  std::string name;
  DType dtype = DType::kBF16;
  std::vector<int64_t> shape;

  int64_t bytes() const;
};

class SafetensorsWriter {
 public:
  /// Writes the header: the tensors in this order, metadata {"format": "pt"} as other software
  /// expects it. Throws Error(kResource) when the file cannot be written.
  SafetensorsWriter(const std::string& path, const std::vector<TensorHeader>& tensors);
  /// Appends data: all tensors' bytes, in the header's order, in pieces of any size.
  void write(std::span<const std::byte> bytes);
  /// Checks that everything promised was written, and closes.
  void finish();
  int64_t data_bytes() const { return promised_; }

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  [[noreturn]] void refuse() const;

  std::string path_;
  std::unique_ptr<std::FILE, Closer> file_;
  int64_t promised_ = 0;
  int64_t written_ = 0;
};

}  // namespace tandem
