#include "backend/checks.h"

#include <numeric>

#include "base/arithmetic.h"
#include "base/check.h"

namespace tandem {
namespace {

void require(bool ok, std::string_view op, std::string_view what, int64_t found, int64_t expected) {
  if (ok) return;
  fail(ErrorCode::kInternal, "internal error: {}: {} is {}, expected {}; please report this", op,
       what, found, expected);
}

void equal(std::string_view op, std::string_view what, int64_t found, int64_t expected) {
  require(found == expected, op, what, found, expected);
}

bool is_activation(DType type) { return type == DType::kF32 || is_16bit(type); }

/// Like require() for one part of a named argument; the name is put together only to complain.
void require_part(bool ok, std::string_view op, std::string_view name, std::string_view part,
                  int64_t found, int64_t expected) {
  if (ok) return;
  require(false, op, std::string(name).append(part), found, expected);
}

/// A matrix of the given shape that lies inside its buffer.
void matrix(std::string_view op, std::string_view name, const Matrix& m, int64_t rows,
            int64_t cols) {
  require_part(m.buffer != nullptr, op, name, ".buffer", 0, 1);
  require_part(m.rows == rows, op, name, ".rows", m.rows, rows);
  require_part(m.cols == cols, op, name, ".cols", m.cols, cols);
  require_part(is_activation(m.dtype), op, name, ".dtype", static_cast<int64_t>(m.dtype), 0);
  require_part(m.rows <= 1 || m.stride >= m.cols, op, name, ".stride", m.stride, m.cols);
  if (m.rows == 0 || m.cols == 0) return;
  const int64_t end = (m.offset + (m.rows - 1) * m.stride + m.cols) * dtype_bytes(m.dtype);
  const auto held = static_cast<int64_t>(m.buffer->bytes());
  require_part(m.offset >= 0 && end <= held, op, name, "'s end in bytes", end, held);
}

void matrix_f32(std::string_view op, std::string_view name, const Matrix& m, int64_t rows,
                int64_t cols) {
  matrix(op, name, m, rows, cols);
  require_part(m.dtype == DType::kF32, op, name, ".dtype", static_cast<int64_t>(m.dtype),
               static_cast<int64_t>(DType::kF32));
}

int64_t total_rows(std::span<const WeightRows> parts) {
  int64_t rows = 0;
  for (const WeightRows& part : parts) rows += part.rows;
  return rows;
}

int64_t total_values(std::span<const WeightRows> parts) {
  int64_t values = 0;
  for (const WeightRows& part : parts) values += part.rows * part.cols;
  return values;
}

}  // namespace

void check_source(const LinearSource& source) {
  const int64_t k = std::accumulate(source.units.begin(), source.units.end(), int64_t{0});
  for (const WeightRows& part : source.weight) {
    equal("pack_linear", "weight.cols", part.cols, k);
    if (is_quantized(part.format)) {
      require(part.rows == 0 || part.scale != nullptr, "pack_linear", "weight.scale", 0, 1);
      require(part.rows == 0 || (part.min != nullptr) == has_min(part.format), "pack_linear",
              "weight.min", 0, 1);
    } else {
      require(is_activation(part.dtype), "pack_linear", "weight.dtype",
              static_cast<int64_t>(part.dtype), 0);
    }
    const bool quantized = is_quantized(part.format) || is_quantized(source.quantize);
    const WeightRows& first = source.weight.front();
    equal("pack_linear", "parts that are quantized", quantized ? 1 : 0,
          is_quantized(first.format) || is_quantized(source.quantize) ? 1 : 0);
  }
  for (int64_t unit : source.units) require(unit > 0, "pack_linear", "a unit", unit, 1);
  equal("pack_linear", "tree.leaves", source.tree.leaves(),
        static_cast<int64_t>(source.units.size()));
  const int64_t n = total_rows(source.weight);
  const int64_t bias = total_values(source.bias);
  require(bias == 0 || bias == n, "pack_linear", "bias values", bias, n);
  if (source.gate_up) equal("pack_linear", "N % 2 (gate_up)", n % 2, 0);
  if (source.tree.results() != 1) {
    equal("pack_linear", "bias values of a partial sum", bias, 0);
    require(!source.gate_up, "pack_linear", "gate_up of a partial sum", 1, 0);
  }
}

void check_vector(const WeightRows& source) {
  require(is_activation(source.dtype), "pack_vector", "dtype", static_cast<int64_t>(source.dtype),
          0);
}

void check_spec(const KvCacheSpec& spec) {
  require(spec.layers >= 0 && spec.kv_heads >= 0 && spec.blocks >= 0, "make_kv_cache",
          "layers, kv_heads or blocks", -1, 0);
  require(spec.head_dim > 0, "make_kv_cache", "head_dim", spec.head_dim, 1);
  if (!is_activation(spec.dtype) && spec.dtype != DType::kI8) {
    unsupported("a key/value cache of type {}: use float32, bfloat16, float16 or int8",
                dtype_name(spec.dtype));
  }
}

void check_chunks(std::span<const SequenceChunk> chunks) {
  for (const SequenceChunk& c : chunks) {
    require(c.rows >= 0 && c.row_begin >= 0 && c.position >= 0, "batch", "a row or position", -1,
            0);
    const int64_t pages = ceil_div(c.position + c.rows, kKeyBlock);
    require(static_cast<int64_t>(c.blocks.size()) >= pages, "batch", "pages of a chunk",
            static_cast<int64_t>(c.blocks.size()), pages);
  }
}

void check_args(const EmbeddingArgs& args) {
  require(args.table != nullptr, "embedding", "table", 0, 1);
  matrix_f32("embedding", "out", args.out, static_cast<int64_t>(args.ids.size()), args.out.cols);
}

void check_args(const RmsNormArgs& args) {
  const int64_t n = args.residual.cols;
  matrix_f32("rms_norm", "residual", args.residual, args.residual.rows, n);
  if (args.add.buffer != nullptr) {
    matrix_f32("rms_norm", "add", args.add, args.residual.rows, n);
    if (args.add_bias != nullptr) equal("rms_norm", "add_bias", args.add_bias->size(), n);
  }
  if (args.weight == nullptr) return;
  equal("rms_norm", "weight", args.weight->size(), n);
  matrix("rms_norm", "out", args.out, args.residual.rows, n);
}

void check_args(const LayerNormArgs& args) {
  const int64_t n = args.x.cols;
  matrix_f32("layer_norm", "x", args.x, args.x.rows, n);
  require(args.weight != nullptr, "layer_norm", "weight", 0, 1);
  equal("layer_norm", "weight", args.weight->size(), n);
  if (args.bias != nullptr) equal("layer_norm", "bias", args.bias->size(), n);
  matrix("layer_norm", "out", args.out, args.x.rows, n);
}

void check_args(const HeadNormArgs& args) {
  matrix_f32("head_norm", "x", args.x, args.x.rows, args.x.cols);
  require(args.head_dim > 0, "head_norm", "head_dim", args.head_dim, 1);
  equal("head_norm", "columns beyond the last head", args.x.cols % args.head_dim, 0);
  require(args.weight != nullptr, "head_norm", "weight", 0, 1);
  equal("head_norm", "weight", args.weight->size(), args.head_dim);
}

void check_args(const LinearArgs& args, bool gate_up) {
  require(args.weight != nullptr, "linear", "weight", 0, 1);
  const int64_t n = args.weight->out_features() / (gate_up ? 2 : 1);
  matrix("linear", "in", args.in, args.in.rows, args.weight->padded_k());
  equal("linear", "outs", static_cast<int64_t>(args.outs.size()), args.weight->results());
  for (const Matrix& out : args.outs) {
    matrix("linear", "out", out, args.in.rows, n);
    if (args.outs.size() > 1) matrix_f32("linear", "out", out, args.in.rows, n);
  }
}

void check_args(const RopeAppendArgs& args) {
  require(args.batch != nullptr && args.rope != nullptr && args.cache != nullptr, "rope_append",
          "batch, rope or cache", 0, 1);
  const int64_t heads = args.q_heads + 2 * args.kv_heads;
  matrix_f32("rope_append", "qkv", args.qkv, args.qkv.rows, heads * args.head_dim);
  matrix("rope_append", "q", args.q, args.qkv.rows, args.q_heads * round_up(args.head_dim, kStep));
}

void check_args(const AttentionArgs& args) {
  require(args.batch != nullptr && args.cache != nullptr, "attention", "batch or cache", 0, 1);
  int64_t heads = 0;
  for (const HeadSegment& s : args.segments) heads = std::max(heads, s.q_begin + s.q_count);
  const int64_t head = round_up(args.head_dim, kStep);
  require(args.q.cols >= heads * head, "attention", "q.cols", args.q.cols, heads * head);
  matrix("attention", "q", args.q, args.q.rows, args.q.cols);
  matrix("attention", "out", args.out, args.q.rows, args.q.cols);
  equal("attention", "out.dtype", static_cast<int64_t>(args.out.dtype),
        static_cast<int64_t>(args.q.dtype));
}

void check_args(const SiluMulArgs& args) {
  matrix_f32("silu_mul", "gate", args.gate, args.out.rows, args.out.cols);
  matrix_f32("silu_mul", "up", args.up, args.out.rows, args.out.cols);
  matrix("silu_mul", "out", args.out, args.out.rows, args.out.cols);
}

void check_args(const ElementwiseArgs& args) {
  matrix("elementwise", "a", args.a, args.out.rows, args.out.cols);
  matrix("elementwise", "out", args.out, args.out.rows, args.out.cols);
  const bool two = args.op == ElementOp::kAdd || args.op == ElementOp::kMul;
  const bool given = args.b.buffer != nullptr;
  equal("elementwise", "second operands", (given ? 1 : 0) + (args.row != nullptr ? 1 : 0),
        two ? 1 : 0);
  if (given) matrix("elementwise", "b", args.b, args.out.rows, args.out.cols);
  if (args.row != nullptr) equal("elementwise", "row", args.row->size(), args.out.cols);
}

void check_args(const SelectRowsArgs& args) {
  matrix("select_rows", "in", args.in, args.in.rows, args.in.cols);
  matrix("select_rows", "out", args.out, static_cast<int64_t>(args.rows.size()), args.in.cols);
  equal("select_rows", "out.dtype", static_cast<int64_t>(args.out.dtype),
        static_cast<int64_t>(args.in.dtype));
  for (int32_t row : args.rows) {
    require(row >= 0 && row < args.in.rows, "select_rows", "a row", row, args.in.rows - 1);
  }
}

void check_args(const TreeAddArgs& args) {
  require(args.program != nullptr, "tree_add", "program", 0, 1);
  equal("tree_add", "leaves", args.program->leaves(), static_cast<int64_t>(args.inputs.size()));
  equal("tree_add", "results", args.program->results(), 1);
  for (const Matrix& m : args.inputs) {
    matrix_f32("tree_add", "an input", m, args.out.rows, args.out.cols);
  }
  matrix_f32("tree_add", "out", args.out, args.out.rows, args.out.cols);
}

void check_args(const LogitStatsArgs& args) {
  require(args.unit_rows > 0, "logit_stats", "unit_rows", args.unit_rows, 1);
  matrix_f32("logit_stats", "logits", args.logits, args.logits.rows, args.logits.cols);
  equal("logit_stats", "stats", static_cast<int64_t>(args.stats.size()),
        args.logits.rows * ceil_div(args.logits.cols, args.unit_rows));
}

}  // namespace tandem
