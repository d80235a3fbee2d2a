// A Buffer over host memory that something else owns (a transport's shared mapping, a test's
// vector), and memory of the CPU backend's own.
#pragma once

#include <cstddef>
#include <memory>

#include "backend/buffer.h"

namespace tandem {

/// A view of [data, data + bytes); the memory must outlive it.
inline std::unique_ptr<Buffer> wrap_host_memory(std::byte* data, size_t bytes) {
  class HostView final : public Buffer {
   public:
    HostView(std::byte* data, size_t bytes) : data_(data), bytes_(bytes) {}
    size_t bytes() const override { return bytes_; }
    std::byte* host() override { return data_; }

   private:
    std::byte* data_;
    size_t bytes_;
  };
  return std::make_unique<HostView>(data, bytes);
}

/// Zeroed host memory, at least 64-byte aligned; from 2 MiB on it lies on 2 MiB pages where the
/// system allows it. Pages belong to the core that touches them first. Throws Error(kResource).
std::unique_ptr<Buffer> make_host_memory(size_t bytes);

}  // namespace tandem
