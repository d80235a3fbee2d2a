#include "convert/gguf_keep.h"

#include <optional>

#include "base/check.h"
#include "base/half.h"

namespace tandem {
namespace {

std::optional<WeightFormat> format_of(const GgufTensorType& type) {
  if (type.name == "Q8_0") return WeightFormat::kInt8;
  if (type.name == "Q4_0") return WeightFormat::kInt4;
  if (type.name == "Q4_1") return WeightFormat::kInt4Min;
  return std::nullopt;
}

/// What is multiplied in one pass: q, k and v; gate and up.
std::string pass_of(const std::string& name) {
  for (const char* part : {"q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"}) {
    const size_t at = name.find(part);
    if (at == std::string::npos) continue;
    return name.substr(0, at) + (std::string_view(part).size() == 6 ? "qkv" : "gate_up");
  }
  return name;
}

}  // namespace

std::map<std::string, WeightFormat> kept_tensors(const GgufModel& model,
                                                 std::vector<std::string>& notes) {
  std::map<std::string, WeightFormat> kept;
  std::map<std::string, std::string> floating;  // pass -> a tensor of it that is not kept
  for (const PlannedTensor& tensor : model.tensors) {
    const auto format = format_of(tensor.source->type);
    if (tensor.source->shape.size() != 2) continue;
    const bool cut =
        tensor.name.find(".o_proj.") != std::string::npos && model.head_dim % kQuantGroup != 0;
    if (format && cut) {
      notes.push_back(fmt::format("{} becomes bfloat16: a head's {} columns are no multiple of {}",
                                  tensor.name, model.head_dim, kQuantGroup));
    }
    if (format && !cut) {
      kept.emplace(tensor.name, *format);
    } else {
      floating.emplace(pass_of(tensor.name), tensor.name);
    }
  }
  for (auto entry = kept.begin(); entry != kept.end();) {
    const auto other = floating.find(pass_of(entry->first));
    if (other == floating.end()) {
      ++entry;
      continue;
    }
    notes.push_back(fmt::format("{} becomes bfloat16, as {} is, with which it is multiplied",
                                entry->first, other->second));
    entry = kept.erase(entry);
  }
  return kept;
}

QuantizedGroup kept_group(WeightFormat format, const std::byte* block) {
  QuantizedGroup group;
  group.scale = load_half(block);
  const std::byte* codes = block + 2;
  if (has_min(format)) {
    group.min = load_half(block + 2);
    codes += 2;
  }
  for (int64_t i = 0; i < kQuantGroup; ++i) {
    if (!is_int4(format)) {
      group.codes[i] = static_cast<uint8_t>(std::to_integer<uint8_t>(codes[i]) ^ 0x80u);
      continue;
    }
    const auto byte = std::to_integer<uint8_t>(codes[i % (kQuantGroup / 2)]);
    group.codes[i] = i < kQuantGroup / 2 ? byte & 15 : byte >> 4;
  }
  return group;
}

}  // namespace tandem
