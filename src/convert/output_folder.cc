#include "convert/output_folder.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/check.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

}  // namespace

OutputFolder::OutputFolder(const std::string& folder) {
  std::error_code error;
  fs::path target = fs::absolute(folder, error).lexically_normal();
  if (folder.empty() || error) bad_input("\"{}\" is no folder's name", folder);
  if (!target.has_filename()) target = target.parent_path();  // "out/"
  folder_ = target.string();
  const fs::file_status status = fs::symlink_status(target, error);
  if (fs::exists(status)) {
    if (!fs::is_directory(status)) bad_input("{}: exists and is no folder", folder);
    if (!fs::is_empty(target, error)) {
      bad_input("{}: exists and is not empty; name a new folder, or remove it first", folder);
    }
  }
  const fs::path parent = target.parent_path();
  if (!fs::is_directory(parent, error)) {
    bad_input("{}: there is no folder {} to put it in", folder, parent.string());
  }
  std::string name = (parent / ("." + target.filename().string() + ".XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr) {
    fail(ErrorCode::kResource, "{}: no folder can be made in {}: {}", folder, parent.string(),
         std::strerror(errno));
  }
  temporary_ = name;
  // mkdtemp makes it private; the result is an ordinary folder.
  fs::permissions(temporary_, static_cast<fs::perms>(0755), error);
}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

std::string OutputFolder::file(std::string_view name) const {
  return (fs::path(temporary_) / name).string();
}

void OutputFolder::write_text(std::string_view name, std::string_view text) const {
  std::ofstream out(file(name), std::ios::binary);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  out.close();
  if (!out) {
    fail(ErrorCode::kResource, "{}/{}: cannot be written: {}", folder_, name, std::strerror(errno));
  }
}

void OutputFolder::publish() {
  if (std::rename(temporary_.c_str(), folder_.c_str()) != 0) {
    fail(ErrorCode::kResource, "{}: the finished folder cannot be moved there: {}", folder_,
         std::strerror(errno));
  }
  temporary_.clear();
}

}  // namespace tandem
