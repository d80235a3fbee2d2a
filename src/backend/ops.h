// Arguments of the backend's ops: one struct each. Shapes are checked once, in backend/checks.h, in
// front of every backend. All matrices are row-major; T is the activation type (float32, bfloat16
// or float16), chosen by --dtype.
// Length: the contract in one list.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/buffer.h"
#include "backend/linear_source.h"
#include "tensor/tree_program.h"

namespace tandem {

class PackedLinear;
class PackedVector;
class KvCache;
class RopeTables;
class DeviceBatch;

// ---- what is given once ----

struct KvCacheSpec {
  int64_t layers = 0;
  int64_t kv_heads = 0;  ///< of this rank; 0 is legal
  int64_t head_dim = 0;
  DType dtype =
      DType::kBF16;    ///< kI8: with a float32 scale per head and token, for keys and values
  int64_t blocks = 0;  ///< pages of kKeyBlock tokens, the same number on all ranks
};

/// Consecutive tokens of one sequence in a step: rows [row_begin, row_begin + rows) of the
/// activations.
struct SequenceChunk {
  int64_t row_begin = 0;
  int64_t rows = 0;
  int64_t position = 0;         ///< of the first row; the cache holds everything before it
  int32_t rope_table = 0;       ///< index in RopeTables
  std::vector<int32_t> blocks;  ///< KV pages, in order of position; enough for position + rows
};

// ---- ops ----

/// out[i, :] = row ids[i] - first_id of the packed table, widened to float32; ids outside
/// [first_id, first_id + N) leave their row of `out` untouched.
struct EmbeddingArgs {
  const PackedLinear* table = nullptr;  ///< [N, hidden]
  std::span<const int32_t> ids;
  int64_t first_id = 0;
  Matrix out;  ///< float32 [rows, hidden]
};

/// residual += add (when given), then out = residual * (1/sqrt(mean(residual^2) + eps)) * weight,
/// rounded to T.
struct RmsNormArgs {
  Matrix residual;  ///< float32 [rows, hidden], updated when `add` is given
  Matrix add;       ///< float32 [rows, hidden] or buffer == nullptr
  const PackedVector* add_bias =
      nullptr;  ///< [hidden], added with `add` (once, after the reduce), or nullptr
  const PackedVector* weight =
      nullptr;  ///< [hidden]; nullptr: only the addition is done, `out` unused
  float eps = 0;
  Matrix out;  ///< T [rows, hidden]
};

/// out = (x - mean) / sqrt(mean of (x - mean)^2 + eps) * weight + bias, rounded to T.
struct LayerNormArgs {
  Matrix x;  ///< float32 [rows, hidden]
  const PackedVector* weight = nullptr;
  const PackedVector* bias = nullptr;  ///< or nullptr
  float eps = 0;
  Matrix out;  ///< T [rows, hidden]
};

/// RMS norm of each head in place (Qwen3's q_norm, k_norm): x is float32 [rows, heads * head_dim].
struct HeadNormArgs {
  Matrix x;
  int64_t head_dim = 0;
  const PackedVector* weight = nullptr;  ///< [head_dim]
  float eps = 0;
};

/// out = in * W^T + bias. `in` is T [rows, padded_k]: unit u starts at the sum of the padded
/// lengths before it; the padding is zero (buffers start as zeros and writers leave the padding
/// alone). Plain: outs has one matrix [rows, N], float32 or T. gate_up: one matrix [rows, N/2].
/// With a tree of several results: one float32 [rows, N] matrix per result (partial sums; bias must
/// be empty).
struct LinearArgs {
  Matrix in;
  const PackedLinear* weight = nullptr;
  std::span<const Matrix> outs;
};

/// Heads of this rank and how they lie: qkv is float32 [rows, (q_heads + 2*kv_heads) * head_dim], q
/// then k then v. Rotates the first 2*half channels of q and k (channel i with i + half) by the
/// table's row [cos(half), sin(half), q_scale] of each token's position; q is multiplied by q_scale
/// after it. Writes q rounded to T into `q`, k and v into the cache, in its type.
struct RopeAppendArgs {
  Matrix qkv;
  const DeviceBatch* batch = nullptr;
  const RopeTables* rope = nullptr;
  KvCache* cache = nullptr;
  int64_t layer = 0;
  int64_t q_heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  Matrix
      q;  ///< T [rows, q_heads * round_up(head_dim, kStep)], padding of each head left alone (zero)
};

/// A run of consecutive query heads that read the same key/value head (both indices local to the
/// rank).
struct HeadSegment {
  int64_t kv_head = 0;
  int64_t q_begin = 0;
  int64_t q_count = 0;
};

/// Softmax attention of each row over the keys at positions <= its own (and > position - window,
/// when window > 0) of its sequence. out is T [rows, q_heads * round_up(head_dim, kStep)], padding
/// left alone. T and the cache's type are independent.
struct AttentionArgs {
  Matrix q;
  const DeviceBatch* batch = nullptr;
  const KvCache* cache = nullptr;
  int64_t layer = 0;
  int64_t head_dim = 0;
  std::span<const HeadSegment> segments;
  float scale = 1;     ///< multiplies q.k in float32
  int64_t window = 0;  ///< 0: none
  Matrix out;
};

/// out = silu(gate) * up: gate and up float32 [rows, n], out T. For blocks that do not use gate_up
/// packing.
struct SiluMulArgs {
  Matrix gate, up, out;
};

enum class ElementOp : uint8_t {
  kCopy,
  kScale,     ///< a * scale
  kAdd,       ///< a + b
  kMul,       ///< a * b
  kRelu,      ///< max(0, a)
  kSigmoid,   ///< 1 / (1 + exp(-a))
  kSilu,      ///< a / (1 + exp(-a))
  kGelu,      ///< a * Phi(a), the normal distribution: the one with erf
  kGeluTanh,  ///< its approximation with tanh
};

/// out = op(a, b), element by element in float32. Each matrix is float32 or T; values are widened
/// before and rounded after. kAdd and kMul take `b` or, for all rows the same, `row`.
struct ElementwiseArgs {
  ElementOp op = ElementOp::kCopy;
  Matrix a;
  Matrix b;                           ///< as a, or buffer == nullptr
  const PackedVector* row = nullptr;  ///< [cols], or nullptr
  float scale = 1;
  Matrix out;  ///< may be a or b
};

/// out[i, :] = in[rows[i], :]; both of one type.
struct SelectRowsArgs {
  Matrix in;
  std::span<const int32_t> rows;
  Matrix out;
};

/// out = the inputs added in the tree's order (program.leaves() == inputs.size(), one result).
/// float32, equal shapes.
struct TreeAddArgs {
  std::span<const Matrix> inputs;
  const TreeProgram* program = nullptr;
  Matrix out;
};

/// Of one logits row and one vocabulary unit: what greedy choice and log-probabilities need.
struct UnitStats {
  float max = 0;
  int32_t argmax = 0;  ///< global id, the lowest on ties
  double sum_exp = 0;  ///< sum of exp(logit - max)
};

/// stats[i * units + u] for logits float32 [rows, n] whose first column is id first_id; units of
/// unit_rows columns. Synchronous: the values are in host memory on return. A NaN logit gives max =
/// NaN.
struct LogitStatsArgs {
  Matrix logits;
  int64_t first_id = 0;
  int64_t unit_rows = 0;
  std::span<UnitStats> stats;
};

}  // namespace tandem
