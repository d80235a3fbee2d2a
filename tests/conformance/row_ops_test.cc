// Norms, SiLU, tree addition, statistics of logits, exp: against double, and bit for bit over
// instruction sets and threads.
#include <limits>

#include "backend/cpu/kernels.h"
#include "base/denormals.h"
#include "conformance/fixture.h"

namespace tandem::testing {
namespace {

std::unique_ptr<PackedVector> vector_of(Backend& b, const std::vector<float>& v) {
  const auto n = static_cast<int64_t>(v.size());
  return b.pack_vector({reinterpret_cast<const std::byte*>(v.data()), DType::kF32, 1, n, n});
}

TEST(NormConformance, EqualsDoubleAndEveryInstructionSet) {
  for (int64_t n : {1, 15, 16, 17, 64, 200, 2049}) {
    for (DType type : {DType::kF32, DType::kBF16, DType::kF16}) {
      const int64_t rows = n == 2049 ? 20 : 3;
      const auto size = static_cast<size_t>(rows * n);
      const auto x = random_floats(size, 1), add = random_floats(size, 2);
      const auto w = random_floats(static_cast<size_t>(n), 3),
                 bias = random_floats(static_cast<size_t>(n), 4);
      std::vector<float> first, first_residual;
      for (const Variant& v : variants()) {
        const auto b = make(v);
        Owned residual(*b, DType::kF32, rows, n), addend(*b, DType::kF32, rows, n),
            out(*b, type, rows, n);
        residual.put(*b, x);
        addend.put(*b, add);
        const auto weight = vector_of(*b, w), add_bias = vector_of(*b, bias);
        b->rms_norm({residual.m, addend.m, add_bias.get(), weight.get(), 1e-5f, out.m});
        const auto got = out.get(*b), after = residual.get(*b);
        if (first.empty()) {
          first = got, first_residual = after;
          for (int64_t i = 0; i < rows; ++i) {
            double squares = 0;
            for (int64_t j = 0; j < n; ++j) {
              const auto at = static_cast<size_t>(i * n + j);
              ASSERT_EQ(after[at], x[at] + (add[at] + bias[static_cast<size_t>(j)]));
              squares += static_cast<double>(after[at]) * after[at];
            }
            for (int64_t j = 0; j < n; ++j) {
              const auto at = static_cast<size_t>(i * n + j);
              const double e = after[at] / std::sqrt(squares / static_cast<double>(n) + 1e-5) *
                               w[static_cast<size_t>(j)];
              ASSERT_NEAR(got[at], e, std::abs(e) * (type == DType::kF32 ? 1e-6 : 0.004) + 1e-7);
            }
          }
        }
        ASSERT_TRUE(same_bits(got, first)) << v.isa;
        ASSERT_TRUE(same_bits(after, first_residual)) << v.isa;
      }
    }
  }
}

TEST(NormConformance, HeadsInPlace) {
  const auto x = random_floats(5 * 3 * 24, 1), w = random_floats(24, 2);
  std::vector<float> first;
  for (const Variant& v : variants()) {
    const auto b = make(v);
    Owned m(*b, DType::kF32, 5, 72);
    m.put(*b, x);
    const auto weight = vector_of(*b, w);
    b->head_norm({m.m, 24, weight.get(), 1e-6f});
    const auto got = m.get(*b);
    if (first.empty()) first = got;
    ASSERT_TRUE(same_bits(got, first)) << v.isa;
    for (size_t h = 0; h < 15; ++h) {
      double squares = 0;
      for (size_t j = 0; j < 24; ++j) squares += static_cast<double>(x[h * 24 + j]) * x[h * 24 + j];
      const double e = x[h * 24 + 5] / std::sqrt(squares / 24 + 1e-6) * w[5];
      EXPECT_NEAR(got[h * 24 + 5], e, 1e-6 * std::abs(e));
    }
  }
}

TEST(SiluConformance, RobustAndEqual) {
  auto gate = random_floats(400, 1, 30);
  gate[0] = 1e30f, gate[1] = -1e30f, gate[2] = 0, gate[3] = -88.5f, gate[4] = 89;
  gate[5] = std::numeric_limits<float>::infinity();
  const std::vector<float> up(400, 1.0f);
  std::vector<float> first;
  for (const Variant& v : variants()) {
    const auto b = make(v);
    Owned g(*b, DType::kF32, 2, 200), u(*b, DType::kF32, 2, 200), out(*b, DType::kF32, 2, 200);
    g.put(*b, gate);
    u.put(*b, up);
    b->silu_mul({g.m, u.m, out.m});
    const auto got = out.get(*b);
    if (first.empty()) first = got;
    ASSERT_TRUE(same_bits(got, first)) << v.isa;
    EXPECT_EQ(got[0], 1e30f);
    EXPECT_EQ(got[1], 0.0f);
    EXPECT_EQ(got[2], 0.0f);
    for (size_t i = 6; i < 400; ++i) {
      const double x = gate[i], e = x / (1 + std::exp(-x));
      ASSERT_NEAR(got[i], e, 4e-7 * std::abs(e) + 1e-30) << x;
    }
  }
}

TEST(ExpConformance, TwoUlpEverywhereAndTheSameBits) {
  const DenormalsFlushed flushed;
  std::vector<float> x;
  for (float v = -120; v < 95; v += 0.00037f) x.push_back(v);
  x.insert(x.end(), {0.0f, -0.0f, -std::numeric_limits<float>::infinity(),
                     std::numeric_limits<float>::infinity(), std::nanf("")});
  std::vector<float> first(x.size());
  const auto n = static_cast<int64_t>(x.size());
  cpu::portable_kernels().exp(x.data(), n, first.data());
  for (size_t i = 0; i + 5 < x.size(); ++i) {
    const double e = std::exp(static_cast<double>(x[i]));
    if (x[i] < -87) {
      ASSERT_EQ(first[i], 0.0f) << x[i];
    } else if (x[i] > -86.6f && x[i] < 88.72f) {
      const double ulp = std::ldexp(1.0, std::ilogb(e) - 23);
      ASSERT_LE(std::abs(first[i] - e), 2 * ulp) << x[i];
    }
  }
  const size_t special = x.size() - 5;
  EXPECT_EQ(first[special], 1.0f);
  EXPECT_EQ(first[special + 1], 1.0f);
  EXPECT_EQ(first[special + 2], 0.0f);
  EXPECT_TRUE(std::isinf(first[special + 3]));
  EXPECT_TRUE(std::isnan(first[special + 4]));
  for (const cpu::Kernels* k : {&cpu::avx2_kernels(), &cpu::avx512_kernels()}) {
    bool present = false;
    for (const std::string& isa : available_isas()) present |= isa == k->isa;
    if (!present) continue;
    std::vector<float> got(x.size());
    k->exp(x.data(), n, got.data());
    EXPECT_TRUE(same_bits(got, first)) << k->isa;
  }
}

TEST(RoundingConformance, EveryInstructionSetRoundsAsHalfH) {
  const DenormalsFlushed flushed;
  std::vector<float> x;
  for (uint64_t u = 0; u < 0x100000000u; u += 65521 / 7) {
    x.push_back(std::bit_cast<float>(static_cast<uint32_t>(u)));
  }
  for (const std::string& isa : available_isas()) {
    const cpu::Kernels& k = isa == "avx512" ? cpu::avx512_kernels()
                            : isa == "avx2" ? cpu::avx2_kernels()
                                            : cpu::portable_kernels();
    std::vector<uint16_t> b(x.size()), h(x.size());
    const auto n = static_cast<int64_t>(x.size());
    k.narrow(DType::kBF16, x.data(), n, reinterpret_cast<std::byte*>(b.data()));
    k.narrow(DType::kF16, x.data(), n, reinterpret_cast<std::byte*>(h.data()));
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(b[i], float_to_bf16(x[i])) << isa << " " << x[i];
      ASSERT_EQ(h[i], float_to_f16(x[i])) << isa << " " << x[i];
    }
  }
}

TEST(LogitStatsConformance, LowestArgmaxNanAndSums) {
  auto logits = random_floats(2 * 300, 1, 5);
  logits[17] = logits[90] = 50;
  logits[300 + 130] = std::nanf("");
  std::vector<UnitStats> first;
  for (const Variant& v : variants()) {
    const auto b = make(v);
    Owned m(*b, DType::kF32, 2, 300);
    m.put(*b, logits);
    std::vector<UnitStats> stats(6);
    b->logit_stats({m.m, 1000, 128, stats});
    EXPECT_EQ(stats[0].argmax, 1017);
    EXPECT_EQ(stats[0].max, 50.0f);
    EXPECT_TRUE(std::isnan(stats[4].max));
    double sum = 0;
    for (size_t i = 256; i < 300; ++i)
      sum += std::exp(static_cast<double>(logits[i]) - stats[2].max);
    EXPECT_NEAR(stats[2].sum_exp, sum, 1e-6 * sum);
    if (first.empty()) first = stats;
    for (size_t i = 0; i < 6; ++i) {
      if (i == 4) continue;
      EXPECT_EQ(stats[i].sum_exp, first[i].sum_exp) << v.isa;
      EXPECT_EQ(stats[i].argmax, first[i].argmax);
    }
  }
}

TEST(TreeAddConformance, AddsInTheTreesOrder) {
  const TreeProgram program{{0, 1, 0, 2}};
  std::vector<std::vector<float>> values;
  for (uint32_t i = 0; i < 4; ++i) values.push_back(random_floats(3 * 1000, i));
  for (const Variant& v : variants()) {
    const auto b = make(v);
    std::vector<Owned> owned;
    std::vector<Matrix> inputs;
    for (const auto& x : values) {
      owned.emplace_back(*b, DType::kF32, 3, 1000);
      owned.back().put(*b, x);
      inputs.push_back(owned.back().m);
    }
    Owned out(*b, DType::kF32, 3, 1000);
    b->tree_add({inputs, &program, out.m});
    const auto got = out.get(*b);
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i], (values[0][i] + values[1][i]) + (values[2][i] + values[3][i])) << v.isa;
    }
  }
}

TEST(SelectRowsConformance, CopiesRowsAndHashSeesEveryByte) {
  const auto b = make({"portable", 1});
  Owned in(*b, DType::kBF16, 4, 33), out(*b, DType::kBF16, 2, 33);
  const auto x = random_floats(4 * 33, 1);
  in.put(*b, x);
  const std::vector<int32_t> rows{3, 1};
  b->select_rows({in.m, rows, out.m});
  const auto got = out.get(*b);
  EXPECT_EQ(got[0], rounded(DType::kBF16, x[99]));
  EXPECT_EQ(got[33 + 32], rounded(DType::kBF16, x[33 + 32]));
  const uint64_t before = b->hash(in.m);
  in.m.buffer->host()[(1 + 35) * 2] ^= std::byte{0};
  EXPECT_EQ(b->hash(in.m), before);
  in.m.buffer->host()[(1 + 36) * 2] ^= std::byte{1};
  EXPECT_NE(b->hash(in.m), before);
}

}  // namespace
}  // namespace tandem::testing
