// Memory that several ranks see. It has no name in any file system: threads share the mapping
// itself, processes pass a memfd over their control socket. So whoever is killed, nothing is left
// behind.
#pragma once

#include <cstddef>
#include <memory>

#include "base/unique_fd.h"

namespace tandem {

class SharedMemory {
 public:
  /// Zeros, for threads of this process. Pages are taken when they are first touched.
  static std::shared_ptr<SharedMemory> anonymous(size_t bytes);
  /// Zeros, in a memfd whose size is sealed. Throws Error(kResource) when the system refuses.
  static std::shared_ptr<SharedMemory> memfd(size_t bytes);
  /// Maps what another rank made by memfd(). Throws Error(kRankFailure) when its size is not
  /// `bytes`.
  static std::shared_ptr<SharedMemory> map(UniqueFd fd, size_t bytes);

  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory();

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  /// To hand to other ranks; -1 for anonymous memory and after close_fd().
  int fd() const { return fd_.get(); }
  /// The mapping does not need it any more.
  void close_fd() { fd_.reset(); }

 private:
  SharedMemory(std::byte* data, size_t bytes, UniqueFd fd)
      : data_(data), bytes_(bytes), fd_(std::move(fd)) {}
  static std::shared_ptr<SharedMemory> map_at(UniqueFd fd, size_t bytes, int flags);

  std::byte* data_;
  size_t bytes_;
  UniqueFd fd_;
};

}  // namespace tandem
