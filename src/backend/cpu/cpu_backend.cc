#include "backend/cpu/cpu_backend.h"

#include <fmt/ranges.h>

#include <cstring>

#include "backend/checks.h"
#include "base/check.h"
#include "base/cpu_features.h"
#include "base/denormals.h"

namespace tandem::cpu {
namespace {

const Kernels& kernels_of(std::string_view isa) {
  if (isa == "amx") return amx_kernels();
  if (isa == "avx512") return avx512_kernels();
  if (isa == "avx2") return avx2_kernels();
  return portable_kernels();
}

}  // namespace

std::vector<std::string> present_isas() {
  const CpuFeatures features = cpu_features();
  std::vector<std::string> isas{"portable"};
  if (features.avx2) isas.emplace_back("avx2");
  if (features.avx512) isas.emplace_back("avx512");
  if (features.amx) isas.emplace_back("amx");
  return isas;
}

std::unique_ptr<Backend> make_cpu_backend(const BackendOptions& options) {
  const std::vector<std::string> present = present_isas();
  std::string isa = options.isa;
  if (isa == "auto") isa = present.back();
  bool found = false;
  for (const std::string& name : present) found |= name == isa;
  if (!found) {
    unsupported("instruction set '{}' is not present on this machine; present: {}", isa,
                fmt::join(present, ", "));
  }
  if (options.threads < 1 || options.threads > 4096) {
    bad_input("threads is {}: use a number from 1 to 4096", options.threads);
  }
  ThreadPool::Options threads;
  threads.threads = options.threads;
  threads.spin_us = options.oversubscribed || options.threads > usable_cores() ? 0 : 100;
  return std::make_unique<CpuBackend>(kernels_of(isa), threads);
}

CpuBackend::CpuBackend(const Kernels& kernels, const ThreadPool::Options& threads)
    : kernels_(kernels),
      quant_kernels_(quant_kernels_of(kernels.isa)),
      pool_(threads),
      scratch_(static_cast<size_t>(threads.threads)) {}

std::unique_ptr<Buffer> CpuBackend::allocate(size_t bytes) { return make_host_memory(bytes); }

void CpuBackend::upload(const Matrix& to, std::span<const std::byte> from) {
  const auto row = static_cast<size_t>(to.cols * dtype_bytes(to.dtype));
  TANDEM_CHECK(from.size() == row * static_cast<size_t>(to.rows));
  for (int64_t i = 0; i < to.rows && row > 0; ++i) {
    std::memcpy(row_of(to, i), from.data() + static_cast<size_t>(i) * row, row);
  }
}

void CpuBackend::download(const Matrix& from, std::span<std::byte> to) {
  const auto row = static_cast<size_t>(from.cols * dtype_bytes(from.dtype));
  TANDEM_CHECK(to.size() == row * static_cast<size_t>(from.rows));
  for (int64_t i = 0; i < from.rows && row > 0; ++i) {
    std::memcpy(to.data() + static_cast<size_t>(i) * row, row_of(from, i), row);
  }
}

std::unique_ptr<PackedLinear> CpuBackend::pack_linear(const LinearSource& source) {
  check_source(source);
  bool quantized = is_quantized(source.quantize);
  for (const WeightRows& part : source.weight) quantized |= is_quantized(part.format);
  if (quantized) return std::make_unique<CpuQuantizedLinear>(source, kernels_, pool_);
  return std::make_unique<CpuPackedLinear>(source, kernels_, pool_);
}

std::unique_ptr<PackedVector> CpuBackend::pack_vector(const WeightRows& source) {
  check_vector(source);
  const DenormalsFlushed flushed;
  std::vector<float> values(static_cast<size_t>(source.rows * source.cols));
  for (int64_t i = 0; i < source.rows; ++i) {
    kernels_.widen(source.dtype, source.data + i * source.row_stride * dtype_bytes(source.dtype),
                   source.cols, values.data() + i * source.cols);
  }
  return std::make_unique<CpuVector>(std::move(values));
}

std::unique_ptr<KvCache> CpuBackend::make_kv_cache(const KvCacheSpec& spec) {
  check_spec(spec);
  return std::make_unique<CpuKvCache>(spec, kernels_);
}

std::unique_ptr<RopeTables> CpuBackend::make_rope_tables(int64_t half) {
  return std::make_unique<CpuRopeTables>(half);
}

std::unique_ptr<DeviceBatch> CpuBackend::make_batch() { return std::make_unique<CpuBatch>(); }

void CpuBackend::copy_kv_block(KvCache& cache, int32_t from, int32_t to) {
  static_cast<CpuKvCache&>(cache).copy_page(from, to);
}

uint64_t CpuBackend::hash(const Matrix& m) {
  uint64_t h = 0xcbf29ce484222325u;
  const int64_t bytes = m.cols * dtype_bytes(m.dtype);
  for (int64_t i = 0; i < m.rows; ++i) {
    const std::byte* row = row_of(m, i);
    for (int64_t b = 0; b < bytes; ++b) {
      h = (h ^ static_cast<uint64_t>(row[b])) * 0x100000001b3u;
    }
  }
  return h;
}

}  // namespace tandem::cpu
