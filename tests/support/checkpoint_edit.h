// A copy of a single-file checkpoint with bytes of one tensor overwritten.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "json/json.h"
#include "support/temp_folder.h"

namespace tandem::test {

/// Copies `folder` into `target` and writes `bytes` over the beginning of `tensor`.
inline void copy_with_edit(const std::string& folder, const TempFolder& target,
                           const std::string& tensor, const std::string& bytes) {
  namespace fs = std::filesystem;
  fs::copy(folder, target.path(), fs::copy_options::recursive);
  const std::string path = target.file("model.safetensors");
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  uint64_t length = 0;
  if (text.size() < sizeof length) throw std::runtime_error(path + " is no checkpoint");
  std::memcpy(&length, text.data(), sizeof length);
  const Json header = Json::parse(text.substr(8, length), path);
  const Json* entry = header.find(tensor);
  if (entry == nullptr) throw std::runtime_error(path + " has no " + tensor);
  const int64_t begin = entry->find("data_offsets")->array()[0].integer();
  text.replace(8 + length + static_cast<uint64_t>(begin), bytes.size(), bytes);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

}  // namespace tandem::test
