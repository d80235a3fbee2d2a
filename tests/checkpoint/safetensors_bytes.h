// Safetensors files for tests, right and wrong.
#pragma once

#include <cstdint>
#include <string>

namespace tandem::test {

/// A file with this header text and so many data bytes (0, 1, 2 ... modulo 251).
inline std::string safetensors_bytes(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof(length));
  file += header;
  for (size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i % 251);
  return file;
}

/// {"NAME":{"dtype":...}} without the braces.
inline std::string entry(const std::string& name, const std::string& dtype,
                         const std::string& shape, const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

}  // namespace tandem::test
