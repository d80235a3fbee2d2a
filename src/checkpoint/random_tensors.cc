// Tensors without a file: a small block of random values that is mapped again and again, one copy
// after another, so that a tensor of any length lies in contiguous addresses.
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/half.h"
#include "base/shared_memory.h"
#include "checkpoint/tensor_store.h"

namespace tandem {
namespace {

constexpr size_t kBlockBytes = size_t{8} << 20;
constexpr size_t kOnes = size_t{1} << 20;  // values; longer norms are refused
constexpr size_t kElement = 2;

uint64_t next(uint64_t& state) {  // SplitMix64
  uint64_t x = state += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

void fill(uint16_t* values, size_t count) {
  uint64_t state = 1;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t bits = next(state);
    // The sum of four uniform 16-bit numbers: variance 4 * (2^16)^2 / 12.
    int64_t sum = 0;
    for (int part = 0; part < 4; ++part)
      sum += static_cast<int64_t>((bits >> (16 * part)) & 0xffff) - 0x8000;
    values[i] = float_to_bf16(static_cast<float>(sum) * (0.02F / 37837.0F));
  }
}

}  // namespace

class RandomMemory {
 public:
  /// `bytes`: of the longest tensor.
  explicit RandomMemory(size_t bytes)
      : block_(SharedMemory::memfd(kBlockBytes)),
        copies_((bytes + kBlockBytes - 1) / kBlockBytes + 1),
        ones_(kOnes, float_to_bf16(1.0F)) {
    fill(reinterpret_cast<uint16_t*>(block_->data()), kBlockBytes / kElement);
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* at = mmap(nullptr, copies_ * kBlockBytes, PROT_NONE, flags, -1, 0);
    if (at == MAP_FAILED) refuse();
    data_ = static_cast<std::byte*>(at);
    for (size_t i = 0; i < copies_; ++i) {
      void* copy = mmap(data_ + i * kBlockBytes, kBlockBytes, PROT_READ, MAP_SHARED | MAP_FIXED,
                        block_->fd(), 0);
      if (copy == MAP_FAILED) refuse();
    }
  }
  ~RandomMemory() {
    if (data_ != nullptr) munmap(data_, copies_ * kBlockBytes);
  }
  RandomMemory(const RandomMemory&) = delete;
  RandomMemory& operator=(const RandomMemory&) = delete;

  /// Tensors begin at different places of the block.
  const std::byte* values(size_t tensor) const {
    return data_ + (tensor * 1031 * 4096) % kBlockBytes;
  }
  const std::byte* ones() const { return reinterpret_cast<const std::byte*>(ones_.data()); }

 private:
  [[noreturn]] static void refuse() {
    fail(ErrorCode::kResource, "no address space for random weights: {}", std::strerror(errno));
  }

  std::shared_ptr<SharedMemory> block_;
  size_t copies_;
  std::byte* data_ = nullptr;
  std::vector<uint16_t> ones_;
};

TensorStore TensorStore::random(const std::string& name, const std::vector<NamedShape>& shapes) {
  TensorStore store;
  store.folder_ = name;
  size_t longest = 0;
  for (const NamedShape& one : shapes) {
    StoredTensor& tensor = store.tensors_.emplace_back();
    tensor.name = one.name;
    tensor.stored_dtype = "BF16";
    tensor.dtype = DType::kBF16;
    tensor.shape = one.shape;
    tensor.bytes = static_cast<size_t>(tensor.elements()) * kElement;
    longest = std::max(longest, tensor.bytes);
  }
  store.random_ = std::make_shared<RandomMemory>(longest);
  for (size_t i = 0; i < store.tensors_.size(); ++i) {
    StoredTensor& tensor = store.tensors_[i];
    const bool norm = tensor.name.find("norm") != std::string::npos ||
                      tensor.name.find("ln_") != std::string::npos;
    TANDEM_CHECK(!norm || tensor.bytes <= kOnes * kElement);
    tensor.data = norm ? store.random_->ones() : store.random_->values(i);
    TANDEM_CHECK(store.index_.emplace(tensor.name, i).second);
  }
  return store;
}

}  // namespace tandem
