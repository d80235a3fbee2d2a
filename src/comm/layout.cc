#include "comm/layout.h"

#include "base/arithmetic.h"
#include "base/check.h"

namespace tandem {

namespace {

constexpr int64_t kPageFloats = 4096 / sizeof(float);
/// Bytes of address space that one DeviceComm may take: user space has 47 bits.
constexpr int64_t kMaxBytes = int64_t{1} << 45;

bool product_fits(int64_t a, int64_t b, int64_t* product) {
  return !__builtin_mul_overflow(a, b, product) && *product <= kMaxBytes;
}

}  // namespace

CommLayout::CommLayout(const DeviceCommSpec& spec, int size)
    : size_(size), nodes_(spec.max_nodes_per_rank), max_partial_(0), max_gather_(0) {
  TANDEM_CHECK(size > 0 && spec.max_rows >= 0 && spec.max_cols >= 0 &&
               spec.max_nodes_per_rank >= 0 && spec.max_gather_floats >= 0);
  int64_t all = 0;
  const bool fits = product_fits(spec.max_rows, spec.max_cols, &max_partial_) &&
                    spec.max_gather_floats <= kMaxBytes / 16 &&
                    product_fits(2 * static_cast<int64_t>(size) + 1, nodes_ + 1, &all) &&
                    product_fits(all, max_partial_ + kPageFloats, &all) && all <= kMaxBytes / 8;
  if (!fits) {
    fail(ErrorCode::kResource,
         "{} ranks with {} partial sums of {} x {} and {} gathered values need more memory than "
         "can be "
         "addressed; take a smaller --prefill_chunk or --max_batch",
         size, nodes_, spec.max_rows, spec.max_cols, spec.max_gather_floats);
  }
  max_gather_ = spec.max_gather_floats;
  matrix_ = round_up(max_partial_, kPageFloats);
  gather_ = round_up(max_gather_, kPageFloats);
}

void CommLayout::check_partial(int64_t rows, int64_t cols, int64_t nodes) const {
  int64_t floats = 0;
  TANDEM_CHECK(rows >= 0 && cols >= 0 && !__builtin_mul_overflow(rows, cols, &floats));
  TANDEM_CHECK(floats <= max_partial_);
  TANDEM_CHECK(nodes >= 0 && nodes <= nodes_);
}

void CommLayout::check_gather(int64_t rows, int64_t cols) const {
  int64_t floats = 0;
  TANDEM_CHECK(rows >= 0 && cols >= 0 && !__builtin_mul_overflow(rows, cols, &floats));
  TANDEM_CHECK(floats <= max_gather_);
}

}  // namespace tandem
