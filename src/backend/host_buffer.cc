#include "backend/host_buffer.h"

#include <sys/mman.h>

#include "base/check.h"

namespace tandem {
namespace {

constexpr size_t kHuge = size_t{2} << 20;

class MappedMemory final : public Buffer {
 public:
  explicit MappedMemory(size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    // From one huge page on, the start is aligned to one, for which there must be room.
    const size_t slack = bytes >= kHuge ? kHuge : 0;
    mapped_ = bytes + slack;
    base_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED) {
      fail(ErrorCode::kResource,
           "cannot get {} bytes of memory: use a smaller model, batch or cache", bytes);
    }
    const auto address = reinterpret_cast<uintptr_t>(base_);
    data_ = static_cast<std::byte*>(base_);
    if (slack != 0) {
      data_ += (kHuge - address % kHuge) % kHuge;
      madvise(data_, bytes, MADV_HUGEPAGE);  // a wish: without it everything works, a little slower
    }
  }
  ~MappedMemory() override {
    if (mapped_ != 0) munmap(base_, mapped_);
  }
  MappedMemory(const MappedMemory&) = delete;
  MappedMemory& operator=(const MappedMemory&) = delete;

  size_t bytes() const override { return bytes_; }
  std::byte* host() override { return data_; }

 private:
  size_t bytes_ = 0;
  size_t mapped_ = 0;
  void* base_ = nullptr;
  std::byte* data_ = nullptr;
};

}  // namespace

std::unique_ptr<Buffer> make_host_memory(size_t bytes) {
  return std::make_unique<MappedMemory>(bytes);
}

}  // namespace tandem
