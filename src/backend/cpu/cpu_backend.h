// The CPU backend: the contract's ops over a table of kernels and a pool of threads. Ops are
// synchronous; one thread at a time calls them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/kv_cache.h"
#include "backend/cpu/linear_tiles.h"
#include "backend/cpu/packed_linear.h"
#include "backend/cpu/packed_quantized.h"
#include "backend/cpu/storage.h"
#include "base/thread_pool.h"

namespace tandem::cpu {

std::vector<std::string> present_isas();
/// Throws Error(kUnsupported) that names an absent instruction set and those present.
std::unique_ptr<Backend> make_cpu_backend(const BackendOptions& options);

class CpuBackend final : public Backend {
 public:
  CpuBackend(const Kernels& kernels, const ThreadPool::Options& threads);

  std::string_view device() const override { return "cpu"; }
  std::string_view isa() const override { return kernels_.isa; }
  std::unique_ptr<Buffer> allocate(size_t bytes) override;
  void upload(const Matrix& to, std::span<const std::byte> from) override;
  void download(const Matrix& from, std::span<std::byte> to) override;
  void synchronize() override {}
  std::unique_ptr<PackedLinear> pack_linear(const LinearSource& source) override;
  std::unique_ptr<PackedVector> pack_vector(const WeightRows& source) override;
  std::unique_ptr<KvCache> make_kv_cache(const KvCacheSpec& spec) override;
  std::unique_ptr<RopeTables> make_rope_tables(int64_t half) override;
  std::unique_ptr<DeviceBatch> make_batch() override;
  void embedding(const EmbeddingArgs& args) override;
  void rms_norm(const RmsNormArgs& args) override;
  void layer_norm(const LayerNormArgs& args) override;
  void head_norm(const HeadNormArgs& args) override;
  void linear(const LinearArgs& args) override;
  void rope_append(const RopeAppendArgs& args) override;
  void attention(const AttentionArgs& args) override;
  void silu_mul(const SiluMulArgs& args) override;
  void elementwise(const ElementwiseArgs& args) override;
  void select_rows(const SelectRowsArgs& args) override;
  void tree_add(const TreeAddArgs& args) override;
  void logit_stats(const LogitStatsArgs& args) override;
  void copy_kv_block(KvCache& cache, int32_t from, int32_t to) override;
  uint64_t hash(const Matrix& m) override;
  int64_t macs() const override { return macs_; }
  int64_t meetings() const override { return pool_.meetings(); }

 private:
  void linear_few_rows(const LinearArgs& args, const CpuPackedLinear& weight);
  void linear_many_rows(const LinearArgs& args, const CpuPackedLinear& weight);
  void linear_tiles(const LinearArgs& args, const CpuPackedLinear& weight);
  void linear_quantized(const LinearArgs& args, const CpuQuantizedLinear& weight);
  /// Runs fn(begin, end) over items [0, count): on the caller when `work` (about: floats touched)
  /// is too little for a meeting of the threads, else shared out.
  template <typename F>
  void for_each(int64_t count, int64_t work, F fn);

  const Kernels& kernels_;
  const QuantKernels& quant_kernels_;
  ThreadPool pool_;
  std::vector<Scratch> scratch_;  ///< one per thread
  Scratch shared_;                ///< written by all threads in turn, read by all
  TilePlan tile_plan_;            ///< keeps its memory
  int64_t macs_ = 0;
};

}  // namespace tandem::cpu
