#include "base/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace tandem {

std::shared_ptr<SharedMemory> SharedMemory::map_at(UniqueFd fd, size_t bytes, int flags) {
  void* at =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | flags, fd.get(), 0);
  if (at == MAP_FAILED) {
    fail(ErrorCode::kResource, "cannot map {} bytes of memory shared by the ranks: {}", bytes,
         std::strerror(errno));
  }
  return std::shared_ptr<SharedMemory>(
      new SharedMemory(static_cast<std::byte*>(at), bytes, std::move(fd)));
}

std::shared_ptr<SharedMemory> SharedMemory::anonymous(size_t bytes) {
  TANDEM_CHECK(bytes > 0);
  return map_at(UniqueFd(), bytes, MAP_ANONYMOUS);
}

std::shared_ptr<SharedMemory> SharedMemory::memfd(size_t bytes) {
  TANDEM_CHECK(bytes > 0);
  UniqueFd fd(memfd_create("tandem", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid() || ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
    fail(ErrorCode::kResource, "cannot make {} bytes of memory shared by the ranks: {}", bytes,
         std::strerror(errno));
  }
  // Nobody can shrink it below another rank's feet.
  fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return map_at(std::move(fd), bytes, 0);
}

std::shared_ptr<SharedMemory> SharedMemory::map(UniqueFd fd, size_t bytes) {
  struct stat status = {};
  if (!fd.valid() || fstat(fd.get(), &status) != 0 || status.st_size < 0 ||
      static_cast<size_t>(status.st_size) != bytes || bytes == 0) {
    fail(ErrorCode::kRankFailure,
         "rank 0 announced {} bytes of shared memory and passed a descriptor of {} bytes", bytes,
         static_cast<int64_t>(status.st_size));
  }
  return map_at(std::move(fd), bytes, 0);
}

SharedMemory::~SharedMemory() { munmap(data_, bytes_); }

}  // namespace tandem
