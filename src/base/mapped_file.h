// A regular file, mapped read-only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tandem {

/// Pages come from disk when they are touched. Sizes are those at the time of opening: a file that
/// another program shortens afterwards cannot be guarded against.
class MappedFile {
 public:
  MappedFile() = default;
  /// Throws Error(kBadInput) naming the path when it is absent, unreadable or no regular file (a
  /// folder, a pipe, a device). An empty file maps to no bytes.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Gives back the memory of the pages that lie wholly in [offset, offset + bytes); reading them
  /// again is legal and costs a page fault. Ranges beyond the file are cut.
  void advise_dontneed(size_t offset, size_t bytes) const;
  /// Asks for these pages to be read ahead. A hint: failure has no effect.
  void advise_willneed(size_t offset, size_t bytes) const;

 private:
  std::string path_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace tandem
