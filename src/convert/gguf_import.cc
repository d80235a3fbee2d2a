#include <algorithm>
#include <map>
#include <vector>

#include "base/check.h"
#include "base/mapped_file.h"
#include "checkpoint/gguf.h"
#include "checkpoint/quantization_config.h"
#include "convert/dequantize.h"
#include "convert/gguf_keep.h"
#include "convert/gguf_model.h"
#include "convert/gguf_tokenizer.h"
#include "convert/output_folder.h"
#include "convert/quantized_tensor.h"
#include "convert/safetensors_writer.h"
#include "tandem/convert.h"
#include "text/tokenizer/hf_tokenizer.h"

namespace tandem {
namespace {

constexpr int64_t kPieceBytes = int64_t{4} << 20;

/// Row of the source that row `row` of the result is.
int64_t source_row(const PlannedTensor& tensor, int64_t row) {
  if (tensor.heads == 0) return row;
  const int64_t dim = tensor.source->shape[0] / tensor.heads;
  const int64_t in_head = row % dim;
  return row - in_head + 2 * (in_head % (dim / 2)) + in_head / (dim / 2);
}

class TensorCopy {
 public:
  TensorCopy(const ImportOptions& options, const MappedFile& file, SafetensorsWriter& writer)
      : options_(options), file_(file), writer_(writer) {}

  void keep(const PlannedTensor& tensor, WeightFormat format) {
    const GgufTensor& source = *tensor.source;
    const int64_t rows = source.shape[0], columns = source.shape[1];
    const int64_t row_bytes = columns / source.type.block * source.type.block_bytes;
    const QuantizedTensor out(format, columns, {columns});
    std::vector<uint16_t> scales(static_cast<size_t>(rows * out.groups())), mins(scales.size());
    std::vector<std::byte> codes;
    for (int64_t row = 0; row < rows; ++row) {
      codes.assign(static_cast<size_t>(out.row_bytes()), std::byte{0});
      const std::byte* block = source.data.data() + source_row(tensor, row) * row_bytes;
      const auto first = static_cast<size_t>(row * out.groups());
      const QuantizedTensor::Row to{codes.data(), &scales[first], &mins[first]};
      for (int64_t g = 0; g < out.groups(); ++g, block += source.type.block_bytes)
        out.put(kept_group(format, block), g, to);
      write(codes);
    }
    write(std::as_bytes(std::span(scales)));
    if (has_min(format)) write(std::as_bytes(std::span(mins)));
    release(source);
  }

  void run(const PlannedTensor& tensor) {
    const GgufTensor& source = *tensor.source;
    const int64_t columns = source.shape.back();
    const int64_t rows = source.shape.size() == 1 ? 1 : source.shape[0];
    const int64_t row_bytes = columns / source.type.block * source.type.block_bytes;
    const int64_t at_once = std::clamp<int64_t>(kPieceBytes / (2 * columns), 1, rows);
    values_.resize(static_cast<size_t>(at_once * columns));
    for (int64_t first = 0; first < rows; first += at_once) {
      const int64_t count = std::min(at_once, rows - first);
      for (int64_t i = 0; i < count; ++i) {
        dequantize(source.type, source.data.data() + source_row(tensor, first + i) * row_bytes,
                   columns, values_.data() + i * columns);
      }
      const auto piece = std::span(values_).first(static_cast<size_t>(count * columns));
      write(std::as_bytes(piece));
    }
    release(source);
  }

 private:
  void release(const GgufTensor& source) const {
    file_.advise_dontneed(static_cast<size_t>(source.data.data() - file_.data()),
                          source.data.size());
  }
  void write(std::span<const std::byte> bytes) {
    writer_.write(bytes);
    done_ += static_cast<int64_t>(bytes.size());
    if (options_.progress && !options_.progress(done_, writer_.data_bytes())) {
      fail(ErrorCode::kAborted, "import was interrupted; nothing was written to {}",
           options_.folder);
    }
  }

  const ImportOptions& options_;
  const MappedFile& file_;
  SafetensorsWriter& writer_;
  std::vector<uint16_t> values_;
  int64_t done_ = 0;
};

void write_json(const OutputFolder& folder, std::string_view name, const Json& value) {
  folder.write_text(name, value.dump(1) + "\n");
}

}  // namespace

ImportSummary import_gguf(const ImportOptions& options) {
  const MappedFile file(options.gguf);
  const GgufFile gguf = GgufFile::parse(file.bytes(), options.gguf);
  const GgufModel model = GgufModel::read(gguf);
  const GgufTokenizer text = GgufTokenizer::read(gguf);

  const std::string tokenizer = text.tokenizer.dump(1) + "\n";
  // Merges and added tokens that no tokenizer can use are found before anything is written.
  parse_tokenizer_json(tokenizer, options.gguf + ": tokenizer");

  ImportSummary summary;
  std::map<std::string, WeightFormat> kept;
  if (options.keep_quantized) kept = kept_tensors(model, summary.notes);

  OutputFolder folder(options.folder);
  Json config = model.config();
  if (!kept.empty()) config.set("quantization_config", quantization_config({DType::kBF16}));
  for (const auto& [key, id] : text.special_ids.object()) config.set(key, id);
  write_json(folder, "config.json", config);
  folder.write_text("tokenizer.json", tokenizer);
  write_json(folder, "tokenizer_config.json", text.tokenizer_config);
  write_json(folder, "generation_config.json", text.generation_config);

  std::vector<TensorHeader> headers;
  for (const PlannedTensor& tensor : model.tensors) {
    const auto format = kept.find(tensor.name);
    if (format == kept.end()) {
      headers.push_back({tensor.name, DType::kBF16, tensor.source->shape});
      continue;
    }
    const int64_t columns = tensor.source->shape[1];
    QuantizedTensor(format->second, columns, {columns})
        .add_headers(tensor.name, tensor.source->shape[0], headers);
  }
  SafetensorsWriter writer(folder.file("model.safetensors"), headers);
  TensorCopy copy(options, file, writer);
  for (const PlannedTensor& tensor : model.tensors) {
    const auto format = kept.find(tensor.name);
    if (format == kept.end()) {
      copy.run(tensor);
    } else {
      copy.keep(tensor, format->second);
    }
  }
  writer.finish();
  folder.publish();
  summary.tensors = static_cast<int64_t>(model.tensors.size());
  summary.tokens = model.vocabulary;
  summary.bytes = writer.data_bytes();
  return summary;
}

}  // namespace tandem
