// The contract of a backend: owns device, memory and order of execution, and a short list of coarse
// ops. Nothing above it assumes host memory or that an op has finished when the call returns; a
// decode step allocates nothing. The CPU's portable kernels are the oracle for every op
// (tests/conformance).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/ops.h"

namespace tandem {

/// A linear's weight in the backend's own layout; one copy serves one row, many rows and lookup.
class PackedLinear {
 public:
  virtual ~PackedLinear() = default;
  virtual int64_t out_features() const = 0;  ///< N (with gate_up: both halves together)
  virtual int64_t padded_k() const = 0;      ///< columns that LinearArgs::in must have
  virtual int64_t results() const = 0;       ///< matrices that LinearArgs::outs must have
  virtual int64_t bytes() const = 0;         ///< memory held
};

/// A float32 vector (norm weight, bias) in device memory.
class PackedVector {
 public:
  virtual ~PackedVector() = default;
  virtual int64_t size() const = 0;
};

/// Paged keys and values of all layers. The pages' layout is the backend's own.
class KvCache {
 public:
  virtual ~KvCache() = default;
  virtual int64_t bytes() const = 0;
};

/// cos, sin and query scale by (table, position). Rows are written by rank 0's numbers.
class RopeTables {
 public:
  virtual ~RopeTables() = default;
  /// Stores rows [first, first + n) of `table`; values is n * (2*half + 1): cos(half), sin(half),
  /// q_scale.
  virtual void set_rows(int32_t table, int64_t first, std::span<const float> values) = 0;
  /// Frees a table; the index may be used again.
  virtual void drop(int32_t table) = 0;
};

/// The sequence chunks of one step where the ops can read them.
class DeviceBatch {
 public:
  virtual ~DeviceBatch() = default;
  virtual void set(std::span<const SequenceChunk> chunks) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view device() const = 0;  ///< "cpu", "cuda", "ascend"
  virtual std::string_view isa()
      const = 0;  ///< "portable", "avx2", "avx512", "amx"; "" off the CPU

  // Memory. New buffers are zero.
  virtual std::unique_ptr<Buffer> allocate(size_t bytes) = 0;
  virtual void upload(const Matrix& to,
                      std::span<const std::byte> from) = 0;                ///< tightly packed rows
  virtual void download(const Matrix& from, std::span<std::byte> to) = 0;  ///< synchronous
  virtual void synchronize() = 0;

  // Given once.
  virtual std::unique_ptr<PackedLinear> pack_linear(const LinearSource& source) = 0;
  virtual std::unique_ptr<PackedVector> pack_vector(const WeightRows& source) = 0;
  virtual std::unique_ptr<KvCache> make_kv_cache(const KvCacheSpec& spec) = 0;
  virtual std::unique_ptr<RopeTables> make_rope_tables(int64_t half) = 0;
  virtual std::unique_ptr<DeviceBatch> make_batch() = 0;

  // Ops: shapes are checked, then they run in order, asynchronously where the device is.
  virtual void embedding(const EmbeddingArgs& args) = 0;
  virtual void rms_norm(const RmsNormArgs& args) = 0;
  virtual void layer_norm(const LayerNormArgs& args) = 0;
  virtual void head_norm(const HeadNormArgs& args) = 0;
  virtual void linear(const LinearArgs& args) = 0;
  virtual void rope_append(const RopeAppendArgs& args) = 0;
  virtual void attention(const AttentionArgs& args) = 0;
  virtual void silu_mul(const SiluMulArgs& args) = 0;
  virtual void elementwise(const ElementwiseArgs& args) = 0;
  virtual void select_rows(const SelectRowsArgs& args) = 0;
  virtual void tree_add(const TreeAddArgs& args) = 0;
  virtual void logit_stats(const LogitStatsArgs& args) = 0;
  /// Copies one page, all layers and heads, keys and values.
  virtual void copy_kv_block(KvCache& cache, int32_t from, int32_t to) = 0;

  /// FNV-1a 64 over the matrix's bytes, row by row (--verify). Synchronous.
  virtual uint64_t hash(const Matrix& m) = 0;
  /// Multiply-adds of linear() since the start: rows * N * K, without padding.
  virtual int64_t macs() const = 0;
  /// How often its threads met since the start; 0 where there are none to meet.
  virtual int64_t meetings() const { return 0; }
};

struct BackendOptions {
  std::string device = "cpu";
  std::string isa = "auto";  ///< auto | portable | avx2 | avx512 | amx; refused where absent
  int threads = 1;
  /// More compute threads than cores on this host (several ranks): idle threads sleep at once.
  bool oversubscribed = false;
};

/// Makes the named backend. Throws Error(kUnsupported) that names the device or instruction set and
/// those present.
std::unique_ptr<Backend> make_backend(const BackendOptions& options);
/// Instruction sets that this machine runs, best last: {"portable", "avx2", ...}.
std::vector<std::string> available_isas();

}  // namespace tandem
