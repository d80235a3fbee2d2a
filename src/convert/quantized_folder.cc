#include "convert/quantized_folder.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <span>

#include "base/check.h"
#include "base/cpu_features.h"
#include "base/half.h"
#include "base/thread_pool.h"
#include "convert/output_folder.h"
#include "convert/quantized_tensor.h"
#include "convert/safetensors_writer.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPieceBytes = int64_t{8} << 20;

float element(const StoredTensor& t, int64_t index) {
  const std::byte* at = t.data + index * dtype_bytes(*t.dtype);
  if (*t.dtype == DType::kF32) {
    float value = 0;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  const uint16_t bits = load_half(at);
  return *t.dtype == DType::kBF16 ? bf16_to_float(bits) : f16_to_float(bits);
}

class Writing {
 public:
  explicit Writing(const QuantizedFolder& folder, SafetensorsWriter& writer)
      : folder_(folder), writer_(writer), pool_({usable_cores(), 0}) {}

  void copy(const StoredTensor& t) {
    for (size_t at = 0; at < t.bytes; at += kPieceBytes) {
      write({t.data + at, std::min<size_t>(kPieceBytes, t.bytes - at)});
    }
    folder_.from.tensors.release(t, 0, t.bytes);
  }

  void quantize(const TensorPlan& plan) {
    const StoredTensor& t = *plan.source;
    const int64_t rows = t.shape[0], cols = t.shape[1];
    QuantizedTensor out(plan.format, cols, plan.units);
    const int64_t at_once = std::clamp<int64_t>(kPieceBytes / std::max<int64_t>(cols, 1), 1, rows);
    std::vector<uint16_t> scales(static_cast<size_t>(rows * out.groups())), mins(scales.size());
    std::vector<std::byte> codes;
    for (int64_t first = 0; first < rows; first += at_once) {
      const int64_t count = std::min(at_once, rows - first);
      codes.assign(static_cast<size_t>(count * out.row_bytes()), std::byte{0});
      pool_.run([&](int thread, int threads) {
        const Share share = share_of(count, thread, threads);
        std::vector<float> wide(static_cast<size_t>(cols));
        for (int64_t r = share.begin; r < share.end; ++r) {
          for (int64_t k = 0; k < cols; ++k)
            wide[static_cast<size_t>(k)] = element(t, (first + r) * cols + k);
          const auto group = static_cast<size_t>((first + r) * out.groups());
          out.encode(wide.data(),
                     {codes.data() + r * out.row_bytes(), &scales[group], &mins[group]});
        }
      });
      write(codes);
    }
    write(std::as_bytes(std::span(scales)));
    if (has_min(plan.format)) write(std::as_bytes(std::span(mins)));
    folder_.from.tensors.release(t, 0, t.bytes);
  }

 private:
  void write(std::span<const std::byte> bytes) {
    writer_.write(bytes);
    done_ += static_cast<int64_t>(bytes.size());
    if (folder_.progress && !folder_.progress(done_, writer_.data_bytes()))
      fail(ErrorCode::kAborted, "interrupted; nothing was written to {}", folder_.to);
  }

  const QuantizedFolder& folder_;
  SafetensorsWriter& writer_;
  ThreadPool pool_;
  int64_t done_ = 0;
};

bool holds_weights(const fs::path& file) {
  constexpr std::array<std::string_view, 9> kEndings = {
      ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx"};
  const std::string name = file.filename().string();
  return std::ranges::find(kEndings, file.extension().string()) != kEndings.end() ||
         name.ends_with(".index.json");
}

/// Tokenizer, templates, licence ... as they are.
void copy_other_files(const std::string& from, const OutputFolder& to) {
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    const fs::path& file = entry.path();
    if (!entry.is_regular_file() || holds_weights(file) || file.filename() == "config.json")
      continue;
    std::error_code error;
    fs::copy_file(file, to.file(file.filename().string()), error);
    if (error)
      fail(ErrorCode::kResource, "{}: cannot be copied: {}", file.string(), error.message());
  }
}

}  // namespace

int64_t write_quantized(const QuantizedFolder& folder) {
  OutputFolder out(folder.to);
  copy_other_files(folder.from.path, out);
  Json config = folder.from.config;
  config.set("quantization_config", quantization_config(folder.quantization));
  out.write_text("config.json", config.dump(2) + "\n");
  std::vector<TensorHeader> headers;
  for (const TensorPlan& plan : folder.tensors) {
    if (!is_quantized(plan.format)) {
      headers.push_back({plan.source->name, *plan.source->dtype, plan.source->shape});
      continue;
    }
    const QuantizedTensor tensor(plan.format, plan.source->shape[1], plan.units);
    tensor.add_headers(plan.source->name, plan.source->shape[0], headers);
  }
  SafetensorsWriter writer(out.file("model.safetensors"), headers);
  Writing writing(folder, writer);
  for (const TensorPlan& plan : folder.tensors) {
    if (is_quantized(plan.format)) {
      writing.quantize(plan);
    } else {
      writing.copy(*plan.source);
    }
  }
  writer.finish();
  out.publish();
  return writer.data_bytes();
}

}  // namespace tandem
