#include "checkpoint/tensor_store.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/check.h"
#include "json/json.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

bool present(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

/// For a message that a person pastes into a shell.
std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

/// Why there is nothing to open, with the remedy that fits what lies in the folder.
[[noreturn]] void refuse_folder(const std::string& folder) {
  bool bin = false;
  bool shard = false;
  std::string gguf;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("pytorch_model") && name.ends_with(".bin")) bin = true;
    if (name.ends_with(".safetensors")) shard = true;
    if (name.ends_with(".gguf")) gguf = entry.path().string();
  }
  if (shard) {
    bad_input("{}: has safetensors files but neither {} nor {}; fetch the missing file", folder,
              kSingle, kIndex);
  }
  if (bin) {
    bad_input(
        "{0}: has weights as .bin only; convert them (pip install torch safetensors numpy): "
        "python3 "
        "-c \"import glob, sys, torch; from safetensors.torch import save_file; d = sys.argv[1]; "
        "save_file({{k: v.clone().contiguous() for f in sorted(glob.glob(d + "
        "'/pytorch_model*.bin')) for k, v in torch.load(f, map_location='cpu', "
        "weights_only=True).items()}}, d + '/{1}', metadata={{'format': 'pt'}})\" {2}",
        folder, kSingle, shell_quoted(folder));
  }
  if (!gguf.empty()) {
    bad_input("{}: has no safetensors but a GGUF file; convert it: tandem import {} DIR", folder,
              shell_quoted(gguf));
  }
  bad_input("{}: has neither {} nor {}", folder, kSingle, kIndex);
}

/// weight_map of the index, checked: tensor -> name of a file inside the folder.
std::map<std::string, std::string> read_index(const std::string& path) {
  JsonLimits limits;
  limits.max_bytes = size_t{100} << 20;
  limits.max_depth = 16;
  limits.max_values = size_t{4} << 20;
  const Json index = Json::parse_file(path, limits);
  const JsonReader reader(index, path);
  const Json& weight_map = reader.get("weight_map");
  if (!weight_map.is_object() || weight_map.object().empty()) {
    bad_input("{} is {}; an object of tensor names and files is expected",
              reader.where("weight_map"), weight_map.is_object() ? "empty" : weight_map.kind());
  }
  std::map<std::string, std::string> files;
  for (const auto& [tensor, file] : weight_map.object()) {
    const std::string where = fmt::format("{}: weight_map: \"{}\"", path, tensor);
    if (!file.is_string()) bad_input("{} is {}; a file's name is expected", where, file.kind());
    const std::string& name = file.string();
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
        name.find('\0') != std::string::npos) {
      bad_input("{} is {}; the name of a file in the same folder is expected", where,
                file.dump().substr(0, 200));
    }
    files.emplace(tensor, name);
  }
  return files;
}

}  // namespace

void TensorStore::add_file(const std::string& path) {
  MappedFile file(path);
  std::vector<StoredTensor> found = parse_safetensors(file.bytes(), path);
  for (StoredTensor& tensor : found) {
    tensor.file = static_cast<int>(files_.size());
    tensors_.push_back(std::move(tensor));
  }
  files_.push_back(std::move(file));
}

TensorStore TensorStore::open(const std::string& folder) {
  TensorStore store;
  store.folder_ = folder;
  const fs::path base(folder);
  std::map<std::string, std::string> expected;  // empty for the form of one file
  const std::string index_path = (base / kIndex).string();
  if (present(base / kSingle)) {
    store.add_file((base / kSingle).string());
  } else if (present(base / kIndex)) {
    expected = read_index(index_path);
    std::set<std::string> names;
    for (const auto& [tensor, file] : expected) names.insert(file);
    for (const std::string& name : names) {
      if (!present(base / name)) {
        bad_input("{}: names the file \"{}\", which is not in the folder", index_path, name);
      }
      store.add_file((base / name).string());
    }
  } else {
    refuse_folder(folder);
  }

  for (size_t i = 0; i < store.tensors_.size(); ++i) {
    const StoredTensor& tensor = store.tensors_[i];
    const auto [earlier, added] = store.index_.emplace(tensor.name, i);
    if (!added) {
      bad_input("{}: tensor \"{}\" is in {} too", store.file_path(tensor.file), tensor.name,
                store.file_path(store.tensors_[earlier->second].file));
    }
    if (expected.empty()) continue;
    const auto entry = expected.find(tensor.name);
    const std::string path = store.file_path(tensor.file);
    if (entry == expected.end()) {
      bad_input("{}: tensor \"{}\" is not in {}", path, tensor.name, index_path);
    }
    if ((base / entry->second).string() != path) {
      bad_input("{}: has tensor \"{}\", which {} puts into {}", path, tensor.name, index_path,
                entry->second);
    }
  }
  for (const auto& [name, file] : expected) {
    if (store.find(name) == nullptr) {
      bad_input("{}: tensor \"{}\" is not in {}, where {} puts it", folder, name, file, kIndex);
    }
  }
  return store;
}

const StoredTensor* TensorStore::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const StoredTensor& TensorStore::get(std::string_view name) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) {
    bad_input("{}: tensor \"{}\" is missing (the folder has {} tensors in {} file(s))", folder_,
              name, tensors_.size(), files_.size());
  }
  return *tensor;
}

int64_t TensorStore::total_bytes() const {
  size_t total = 0;
  for (const StoredTensor& tensor : tensors_) total += tensor.bytes;
  return static_cast<int64_t>(total);
}

DType TensorStore::float_dtype(const StoredTensor& tensor) const {
  if (tensor.dtype == DType::kF32 || tensor.dtype == DType::kF16 || tensor.dtype == DType::kBF16) {
    return *tensor.dtype;
  }
  unsupported("{}: tensor \"{}\" is {}; weights of F32, F16 and BF16 are read",
              file_path(tensor.file), tensor.name, tensor.stored_dtype);
}

void TensorStore::release(const StoredTensor& tensor, size_t begin, size_t end) const {
  TANDEM_CHECK(begin <= end && end <= tensor.bytes);
  if (random_ != nullptr) return;
  files_[static_cast<size_t>(tensor.file)].advise_dontneed(tensor.offset + begin, end - begin);
}

void TensorStore::prefetch(const StoredTensor& tensor, size_t begin, size_t end) const {
  TANDEM_CHECK(begin <= end && end <= tensor.bytes);
  if (random_ != nullptr) return;
  files_[static_cast<size_t>(tensor.file)].advise_willneed(tensor.offset + begin, end - begin);
}

}  // namespace tandem
