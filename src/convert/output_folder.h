// A folder that appears complete or not at all.
#pragma once

#include <string>
#include <string_view>

namespace tandem {

/// Files are written into a temporary folder beside the wanted one; publish() renames it. Without
/// publish() the destructor removes everything.
class OutputFolder {
 public:
  /// Throws Error(kBadInput) unless `folder` is absent or an empty folder, Error(kResource) when
  /// nothing can be made beside it.
  explicit OutputFolder(const std::string& folder);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  std::string file(std::string_view name) const;  ///< where to write it
  void write_text(std::string_view name, std::string_view text) const;
  /// Renames. Throws Error(kResource) when that fails.
  void publish();

 private:
  std::string folder_;
  std::string temporary_;  // empty after publish()
};

}  // namespace tandem
