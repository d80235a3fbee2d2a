// Where things lie in the memory of a DeviceComm, in floats from its start.
#pragma once

#include <cstdint>

#include "comm/communicator.h"

namespace tandem {

/// Per rank two arenas of partial sums (one is filled while the other may still be read), one
/// result, two gather areas. Every area starts on a page of its own; pages that are never touched
/// cost nothing.
class CommLayout {
 public:
  /// Throws Error(kResource) when the sizes are beyond what can be addressed.
  CommLayout(const DeviceCommSpec& spec, int size);

  int64_t partial(int parity, int rank, int64_t node) const {
    return ((parity * size_ + rank) * nodes_ + node) * matrix_;
  }
  int64_t result() const { return 2 * size_ * nodes_ * matrix_; }
  int64_t gather(int parity) const { return result() + matrix_ + parity * gather_; }
  int64_t total_floats() const { return gather(2); }

  /// Programmer errors: a call beyond the spec.
  void check_partial(int64_t rows, int64_t cols, int64_t nodes) const;
  void check_gather(int64_t rows, int64_t cols) const;

 private:
  int64_t size_;
  int64_t nodes_;
  int64_t max_partial_;
  int64_t max_gather_;
  int64_t matrix_ = 0;  ///< max_partial_ in whole pages
  int64_t gather_ = 0;  ///< max_gather_ in whole pages
};

}  // namespace tandem
