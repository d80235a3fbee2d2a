#include "checkpoint/quantization_config.h"

#include "base/check.h"
#include "tensor/quantization.h"

namespace tandem {

std::optional<StoredQuantization> read_quantization(const HfFolder& folder) {
  const auto method = folder.quantization_method();
  if (!method) return std::nullopt;
  if (*method != kQuantizationMethod) {
    unsupported(
        "{}: quantization_config: method \"{}\" is not supported; use the checkpoint in 16 or 32 "
        "bits (--quantize int8 or int4 quantizes it while loading)",
        folder.config_path, *method);
  }
  const JsonReader config(*folder.config.find("quantization_config"), folder.config_path,
                          "quantization_config");
  const int64_t group = config.integer("group_size", 1, 1 << 20);
  if (group != kQuantGroup)
    bad_input("{} is {}; {} is expected", config.where("group_size"), group, kQuantGroup);
  const std::string& name = config.string("dtype");
  for (DType type : {DType::kF32, DType::kBF16, DType::kF16}) {
    if (name == dtype_name(type)) return StoredQuantization{type};
  }
  bad_input("{} is \"{}\"; float32, bfloat16 or float16 is expected", config.where("dtype"), name);
}

Json quantization_config(const StoredQuantization& quantization) {
  return Json(Json::Object{{"quant_method", Json(std::string(kQuantizationMethod))},
                           {"group_size", Json(kQuantGroup)},
                           {"dtype", Json(std::string(dtype_name(quantization.dtype)))}});
}

std::string codes_name(std::string_view name) { return std::string(name) + "_q"; }
std::string scale_name(std::string_view name) { return std::string(name) + "_scale"; }
std::string min_name(std::string_view name) { return std::string(name) + "_min"; }

}  // namespace tandem
