#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/unique_fd.h"

namespace tandem {
namespace {

size_t page_size() { return static_cast<size_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  // O_NONBLOCK: opening a pipe without a writer would wait for one.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) bad_input("{}: cannot be opened: {}", path, std::strerror(errno));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    bad_input("{}: cannot be examined: {}", path, std::strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) {
    bad_input("{}: is {}; a regular file is expected", path,
              S_ISDIR(info.st_mode) ? "a folder" : "no regular file");
  }
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;
  void* mapping = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (mapping == MAP_FAILED) {
    fail(ErrorCode::kResource, "{}: {} bytes cannot be mapped: {}", path, size_,
         std::strerror(errno));
  }
  data_ = static_cast<std::byte*>(mapping);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    if (data_ != nullptr) ::munmap(data_, size_);
    path_ = std::move(other.path_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void MappedFile::advise_dontneed(size_t offset, size_t bytes) const {
  if (offset >= size_) return;
  const size_t page = page_size();
  size_t end = offset + std::min(bytes, size_ - offset);
  // The last page belongs to the file alone, so it may go although the file ends inside it.
  end = end == size_ ? (end + page - 1) / page * page : end / page * page;
  const size_t begin = (offset + page - 1) / page * page;
  if (begin < end) ::madvise(data_ + begin, end - begin, MADV_DONTNEED);
}

void MappedFile::advise_willneed(size_t offset, size_t bytes) const {
  if (offset >= size_) return;
  const size_t end = offset + std::min(bytes, size_ - offset);
  const size_t begin = offset / page_size() * page_size();
  ::madvise(data_ + begin, end - begin, MADV_WILLNEED);
}

}  // namespace tandem
