// A cursor over the bytes of a GGUF file that never leaves them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"

namespace tandem {

class GgufReader {
 public:
  /// Both must outlive this.
  GgufReader(std::span<const std::byte> bytes, const std::string& path)
      : bytes_(bytes), path_(path) {}

  const std::string& path() const { return path_; }
  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }
  std::span<const std::byte> since(size_t begin) const {
    return bytes_.subspan(begin, position_ - begin);
  }

  void skip(uint64_t count) {
    if (count > left()) {
      bad_input("{}: ends at byte {} in the middle of its header; the file is truncated", path_,
                bytes_.size());
    }
    position_ += count;
  }
  template <typename T>
  T read() {
    skip(sizeof(T));
    T value{};
    std::memcpy(&value, bytes_.data() + position_ - sizeof(T), sizeof(T));
    return value;
  }
  /// A string behind its length of 8 bytes; `what` is for the message when it is too long.
  std::string_view string(uint64_t max, std::string_view what) {
    const auto length = read<uint64_t>();
    if (length > left() || length > max) {
      bad_input("{}: {} has {} bytes; at most {} are legal there", path_, what, length,
                std::min<uint64_t>(max, left()));
    }
    position_ += length;
    return {reinterpret_cast<const char*>(bytes_.data()) + position_ - length,
            static_cast<size_t>(length)};
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& path_;
  size_t position_ = 0;
};

}  // namespace tandem
