// Memory of a backend, and row-major matrices in it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace tandem {

/// Opaque memory of one backend. Only the backend (and a transport built for it) looks inside.
class Buffer {
 public:
  virtual ~Buffer() = default;
  virtual size_t bytes() const = 0;
  /// Host address where the memory is host memory, else nullptr.
  virtual std::byte* host() { return nullptr; }
};

/// Row-major [rows, cols] at `offset` (in elements) of a buffer; row i starts `stride` elements
/// after row i-1.
struct Matrix {
  Buffer* buffer = nullptr;
  int64_t offset = 0;
  DType dtype = DType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;

  /// The same rows, columns [begin, begin + count).
  Matrix columns(int64_t begin, int64_t count) const {
    Matrix m = *this;
    m.offset += begin;
    m.cols = count;
    return m;
  }
  /// Rows [begin, begin + count).
  Matrix row_range(int64_t begin, int64_t count) const {
    Matrix m = *this;
    m.offset += begin * stride;
    m.rows = count;
    return m;
  }
};

}  // namespace tandem
