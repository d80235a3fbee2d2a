// Small values that the CPU backend keeps: rows of matrices, vectors, rope tables, batches,
// scratch.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "backend/host_buffer.h"

namespace tandem::cpu {

/// First byte of row i.
inline std::byte* row_of(const Matrix& m, int64_t i) {
  return m.buffer->host() + (m.offset + i * m.stride) * dtype_bytes(m.dtype);
}
inline float* float_row(const Matrix& m, int64_t i) {
  return reinterpret_cast<float*>(row_of(m, i));
}

/// Memory that grows to the largest size asked for and stays: a decode step allocates nothing.
class Scratch {
 public:
  /// At least n floats, 64-byte aligned; what was there before is lost.
  float* floats(int64_t n) {
    const size_t bytes = static_cast<size_t>(n) * sizeof(float);
    if (buffer_ == nullptr || buffer_->bytes() < bytes)
      buffer_ = make_host_memory(bytes + bytes / 4);
    return reinterpret_cast<float*>(buffer_->host());
  }

 private:
  std::unique_ptr<Buffer> buffer_;
};

class CpuVector final : public PackedVector {
 public:
  explicit CpuVector(std::vector<float> values) : values_(std::move(values)) {}
  int64_t size() const override { return static_cast<int64_t>(values_.size()); }
  const float* data() const { return values_.data(); }
  static const float* of(const PackedVector* v) {
    return v == nullptr ? nullptr : static_cast<const CpuVector*>(v)->data();
  }

 private:
  std::vector<float> values_;
};

class CpuRopeTables final : public RopeTables {
 public:
  explicit CpuRopeTables(int64_t half) : half_(half) {}
  void set_rows(int32_t table, int64_t first, std::span<const float> values) override;
  void drop(int32_t table) override;
  int64_t half() const { return half_; }
  /// cos(half), sin(half), q_scale of a position. Error(kInternal) for a row never set.
  const float* row(int32_t table, int64_t position) const;

 private:
  int64_t half_;
  std::vector<std::vector<float>> tables_;
};

class CpuBatch final : public DeviceBatch {
 public:
  void set(std::span<const SequenceChunk> chunks) override;
  std::span<const SequenceChunk> chunks() const { return {chunks_.data(), count_}; }

 private:
  std::vector<SequenceChunk> chunks_;  ///< keeps its capacity and that of the lists of pages
  size_t count_ = 0;
};

}  // namespace tandem::cpu
