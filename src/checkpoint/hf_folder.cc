#include "checkpoint/hf_folder.h"

#include <filesystem>

#include "base/check.h"
#include "base/mapped_file.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

Json read_object(const std::string& path) {
  JsonLimits limits;
  limits.max_bytes = size_t{4} << 20;  // real ones have some kilobytes
  limits.max_depth = 32;
  limits.max_values = size_t{1} << 18;
  const MappedFile file(path);
  Json value = Json::parse({reinterpret_cast<const char*>(file.data()), file.size()}, path, limits);
  if (!value.is_object()) bad_input("{}: is {}; an object is expected", path, value.kind());
  return value;
}

void check_folder(const std::string& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (!fs::exists(status)) bad_input("{}: there is no such folder", folder);
  if (fs::is_directory(status)) return;
  if (folder.ends_with(".gguf")) {
    bad_input("{}: is a GGUF file; convert it first: tandem import {} DIR", folder, folder);
  }
  bad_input("{}: is no folder; the folder that holds config.json is expected", folder);
}

}  // namespace

HfFolder HfFolder::open_config(const std::string& folder) {
  check_folder(folder);
  HfFolder result;
  result.path = folder;
  result.config_path = (fs::path(folder) / "config.json").string();
  result.generation_path = (fs::path(folder) / "generation_config.json").string();
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(result.config_path, ignored))) {
    bad_input("{}: has no config.json; is it a Hugging Face checkpoint's folder?", folder);
  }
  result.config = read_object(result.config_path);
  result.generation_config = Json(Json::Object{});
  if (fs::exists(fs::symlink_status(result.generation_path, ignored))) {
    result.generation_config = read_object(result.generation_path);
  }
  return result;
}

HfFolder HfFolder::open(const std::string& folder) {
  HfFolder result = open_config(folder);
  result.tensors = TensorStore::open(folder);
  return result;
}

std::optional<std::string> HfFolder::quantization_method() const {
  const Json* quantization = config.find("quantization_config");
  if (quantization == nullptr || quantization->is_null()) return std::nullopt;
  const Json* method = quantization->find("quant_method");
  if (method == nullptr || !method->is_string()) return "unnamed method";
  return method->string();
}

}  // namespace tandem
