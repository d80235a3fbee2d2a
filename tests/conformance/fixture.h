// Backends of every instruction set present (and of AMX in software everywhere), random data, and
// matrices for the conformance lists.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "base/arithmetic.h"
#include "base/cpu_features.h"
#include "base/half.h"
#include "support/software_tiles.h"

namespace tandem::testing {

/// One backend to try: an instruction set and a number of threads.
struct Variant {
  std::string isa;
  int threads = 1;
};

/// AVX-512 as a processor has it whose vdpbf16ps rounds otherwise or is absent.
inline const cpu::Kernels& kernels_without_pairs() {
  static const cpu::Kernels table = [] {
    cpu::Kernels k = cpu::avx512_kernels();
    k.isa = "avx512 without pairs";
    k.pairs = nullptr;
    return k;
  }();
  return table;
}

inline std::vector<Variant> variants() {
  std::vector<Variant> all;
  for (const std::string& isa : available_isas()) {
    for (int threads : {1, 2, 3}) all.push_back({isa, threads});
  }
  for (int threads : {1, 3}) all.push_back({software_tile_kernels().isa, threads});
  if (cpu_features().bf16_pairs) all.push_back({kernels_without_pairs().isa, 2});
  return all;
}

inline std::unique_ptr<Backend> make(const Variant& v) {
  const auto of = [&](const cpu::Kernels& kernels) {
    return std::make_unique<cpu::CpuBackend>(kernels, ThreadPool::Options{.threads = v.threads});
  };
  if (v.isa == software_tile_kernels().isa) return of(software_tile_kernels());
  if (v.isa == "avx512 without pairs") return of(kernels_without_pairs());
  BackendOptions options;
  options.isa = v.isa;
  options.threads = v.threads;
  return make_backend(options);
}

inline std::vector<float> random_floats(size_t n, uint32_t seed, float scale = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(n);
  for (float& v : values) v = normal(generator);
  return values;
}

inline float rounded(DType type, float v) {
  if (type == DType::kBF16) return bf16_to_float(float_to_bf16(v));
  if (type == DType::kF16) return f16_to_float(float_to_f16(v));
  return v;
}

/// Values as the bytes of a type.
inline std::vector<std::byte> bytes_of(DType type, const std::vector<float>& values) {
  std::vector<std::byte> out(values.size() * static_cast<size_t>(dtype_bytes(type)));
  for (size_t i = 0; i < values.size(); ++i) {
    if (type == DType::kF32) {
      std::memcpy(out.data() + 4 * i, &values[i], 4);
    } else {
      const uint16_t bits =
          type == DType::kBF16 ? float_to_bf16(values[i]) : float_to_f16(values[i]);
      std::memcpy(out.data() + 2 * i, &bits, 2);
    }
  }
  return out;
}

inline std::vector<float> floats_of(DType type, const std::vector<std::byte>& bytes) {
  std::vector<float> out(bytes.size() / static_cast<size_t>(dtype_bytes(type)));
  for (size_t i = 0; i < out.size(); ++i) {
    if (type == DType::kF32) {
      std::memcpy(&out[i], bytes.data() + 4 * i, 4);
    } else {
      uint16_t bits = 0;
      std::memcpy(&bits, bytes.data() + 2 * i, 2);
      out[i] = type == DType::kBF16 ? bf16_to_float(bits) : f16_to_float(bits);
    }
  }
  return out;
}

/// A matrix with memory of its own: `gap` unused columns between rows, one element before the
/// first.
struct Owned {
  Owned(Backend& backend, DType type, int64_t rows, int64_t cols, int64_t gap = 3) {
    m.dtype = type;
    m.rows = rows;
    m.cols = cols;
    m.stride = cols + gap;
    m.offset = 1;
    const auto elements = static_cast<size_t>((rows + 1) * m.stride + 1);
    buffer = backend.allocate(elements * static_cast<size_t>(dtype_bytes(type)));
    m.buffer = buffer.get();
  }
  void put(Backend& backend, const std::vector<float>& values) const {
    backend.upload(m, bytes_of(m.dtype, values));
  }
  std::vector<float> get(Backend& backend) const {
    std::vector<std::byte> bytes(static_cast<size_t>(m.rows * m.cols * dtype_bytes(m.dtype)));
    backend.download(m, bytes);
    return floats_of(m.dtype, bytes);
  }
  std::unique_ptr<Buffer> buffer;
  Matrix m;
};

/// The same bits, NaN included; says where the first difference is.
inline ::testing::AssertionResult same_bits(const std::vector<float>& a,
                                            const std::vector<float>& b) {
  if (a.size() != b.size()) return ::testing::AssertionFailure() << a.size() << " != " << b.size();
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], 4) != 0 && !(std::isnan(a[i]) && std::isnan(b[i]))) {
      return ::testing::AssertionFailure()
             << "element " << i << " of " << a.size() << ": " << a[i] << " != " << b[i];
    }
  }
  return ::testing::AssertionSuccess();
}

/// Rule 2 written down once more, apart from the backend: one chain over x and w of one unit.
inline float chain(const float* x, const float* w, int64_t n, float c = 0) {
  for (int64_t k = 0; k < n; k += kStep) {
    float even = 0, odd = 0;
    for (int64_t t = 0; t < kStep; ++t) {
      const bool inside = k + t < n;
      float& sum = t % 2 == 0 ? even : odd;
      sum = std::fma(inside ? x[k + t] : 0.0f, inside ? w[k + t] : 0.0f, sum);
    }
    c = c + (even + odd);
  }
  return c;
}

}  // namespace tandem::testing
