// linear(): every instruction set and thread count against rule 2 written down in fixture.h.
#include <numeric>
#include <random>

#include "conformance/fixture.h"

namespace tandem::testing {
namespace {

struct Case {
  const char* name;
  DType activation, stored, compute;
  int64_t n;
  std::vector<int64_t> units;
  std::vector<int32_t> merges;
  bool bias = false;
  bool gate_up = false;
  bool out_f32 = true;
};

const DType F = DType::kF32, B = DType::kBF16, H = DType::kF16;

std::vector<Case> cases() {
  return {
      {"one panel", B, B, B, 16, {32}, {0}},
      {"odd sizes", B, B, B, 37, {70}, {0}, true},
      {"many panels", B, B, B, 16 * 11 + 5, {200}, {0}, true, false, false},
      {"float16", H, H, H, 50, {96}, {0}},
      {"float16 stored, bfloat16 computed", B, H, B, 33, {64}, {0}},
      {"float32", F, F, F, 70, {100}, {0}, true},
      {"float32 over bfloat16 weights", F, B, F, 70, {100}, {0}},
      {"float32 over float16 weights", F, H, F, 20, {33}, {0}},
      {"float32 rounded to bfloat16", B, F, B, 20, {33}, {0}},
      {"float32 rows, bfloat16 computed", F, B, B, 70, {100, 40}, {0, 1}},
      {"tree of three units, one result", B, B, B, 40, {64, 64, 24}, {0, 1, 1}},
      {"tree of five units, two results", B, B, B, 40, {64, 64, 64, 64, 40}, {0, 1, 0, 1, 0}},
      {"units longer than a piece", B, B, B, 70, {160, 160, 96}, {0, 1, 1}, true},
      {"float16, units longer than a piece", H, H, H, 70, {160, 90}, {0, 1}},
      {"eight units, one result",
       B,
       B,
       B,
       80,
       {64, 64, 64, 64, 64, 64, 64, 8},
       {0, 1, 0, 2, 0, 1, 0, 3}},
      {"units of one step", F, F, F, 130, {24, 24, 24, 24}, {0, 1, 0, 2}},
      {"gate and up", B, B, B, 2 * 39, {96}, {0}, true, true, false},
      {"gate and up, float32", F, F, F, 2 * 16, {40}, {0}, false, true},
      {"one output", B, B, B, 1, {1}, {0}},
  };
}

struct Data {
  std::vector<float> x, w, bias;  // w [n][k], x [rows][k] unpadded
};

Data make_data(const Case& c, int64_t rows) {
  const int64_t k = std::accumulate(c.units.begin(), c.units.end(), int64_t{0});
  Data d{random_floats(static_cast<size_t>(rows * k), 1),
         random_floats(static_cast<size_t>(c.n * k), 2),
         c.bias ? random_floats(static_cast<size_t>(c.n), 3) : std::vector<float>{}};
  for (float& v : d.x) v = rounded(c.activation, v);
  for (float& v : d.w) v = rounded(c.compute, rounded(c.stored, v));
  return d;
}

/// results() matrices [rows][n] of raw sums (before bias and gate).
std::vector<std::vector<float>> reference(const Case& c, const Data& d, int64_t rows) {
  const TreeProgram tree{c.merges};
  const int64_t k = std::accumulate(c.units.begin(), c.units.end(), int64_t{0});
  std::vector<std::vector<float>> out(static_cast<size_t>(tree.results()),
                                      std::vector<float>(static_cast<size_t>(rows * c.n)));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < c.n; ++j) {
      std::vector<float> stack;
      int64_t at = 0;
      for (size_t u = 0; u < c.units.size(); ++u) {
        stack.push_back(chain(&d.x[static_cast<size_t>(i * k + at)],
                              &d.w[static_cast<size_t>(j * k + at)], c.units[u]));
        at += c.units[u];
        for (int32_t m = 0; m < c.merges[u]; ++m) {
          const float upper = stack.back();
          stack.pop_back();
          stack.back() += upper;
        }
      }
      for (size_t s = 0; s < stack.size(); ++s) out[s][static_cast<size_t>(i * c.n + j)] = stack[s];
    }
  }
  return out;
}

std::vector<std::vector<float>> run(Backend& backend, const Case& c, const Data& d, int64_t rows) {
  const int64_t k = std::accumulate(c.units.begin(), c.units.end(), int64_t{0});
  const auto w = bytes_of(c.stored, d.w);
  const auto bias = bytes_of(DType::kF32, d.bias);
  LinearSource source;
  // In two stacked blocks, to cross from one to the other inside a panel.
  const int64_t upper = c.n / 3;
  for (auto [begin, count] : {std::pair{int64_t{0}, upper}, std::pair{upper, c.n - upper}}) {
    source.weight.push_back({w.data() + begin * k * dtype_bytes(c.stored), c.stored, count, k, k});
  }
  if (c.bias) source.bias.push_back({bias.data(), DType::kF32, 1, c.n, c.n});
  source.compute = c.compute;
  source.units = c.units;
  source.tree = TreeProgram{c.merges};
  source.gate_up = c.gate_up;
  const auto weight = backend.pack_linear(source);
  Owned in(backend, c.activation, rows, weight->padded_k());
  std::vector<float> padded(static_cast<size_t>(rows * weight->padded_k()));
  int64_t from = 0, to = 0;
  for (int64_t unit : c.units) {
    for (int64_t i = 0; i < rows; ++i) {
      std::copy_n(d.x.begin() + i * k + from, unit, padded.begin() + i * weight->padded_k() + to);
    }
    from += unit;
    to += round_up(unit, kStep);
  }
  in.put(backend, padded);
  std::vector<Owned> outs;
  std::vector<Matrix> matrices;
  for (int64_t i = 0; i < weight->results(); ++i) {
    outs.emplace_back(backend, c.out_f32 ? DType::kF32 : c.activation, rows,
                      c.gate_up ? c.n / 2 : c.n);
    matrices.push_back(outs.back().m);
  }
  backend.linear({in.m, weight.get(), matrices});
  std::vector<std::vector<float>> results;
  for (const Owned& out : outs) results.push_back(out.get(backend));
  return results;
}

/// Bias, gate and rounding on top of reference(): exact but for silu, which gets a tolerance.
void expect_finished(const Case& c, const Data& d, std::vector<float> raw,
                     const std::vector<float>& got, int64_t rows) {
  for (size_t i = 0; c.bias && i < raw.size(); ++i) {
    raw[i] += d.bias[i % static_cast<size_t>(c.n)];
  }
  const int64_t n = c.n / 2;
  if (!c.gate_up) {
    for (float& v : raw) v = c.out_f32 ? v : rounded(c.activation, v);
    EXPECT_TRUE(same_bits(got, raw));
    return;
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const double gate = raw[static_cast<size_t>(i * c.n + j)];
      const double expected =
          gate / (1 + std::exp(-gate)) * raw[static_cast<size_t>(i * c.n + n + j)];
      const double tolerance = (c.out_f32 ? 1e-6 : 0.004) * std::abs(expected) + 1e-30;
      ASSERT_NEAR(got[static_cast<size_t>(i * n + j)], expected, tolerance);
    }
  }
}

TEST(LinearConformance, EveryInstructionSetEqualsTheRule) {
  std::vector<std::unique_ptr<Backend>> backends;
  for (const Variant& v : variants()) backends.push_back(make(v));
  for (const Case& c : cases()) {
    for (int64_t rows :
         {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 20, 21, 25, 32, 33, 40}) {
      SCOPED_TRACE(std::string(c.name) + ", rows " + std::to_string(rows));
      const Data d = make_data(c, rows);
      const auto expected = reference(c, d, rows);
      std::vector<std::vector<float>> first;
      for (const auto& backend : backends) {
        SCOPED_TRACE(std::string(backend->isa()));
        const auto got = run(*backend, c, d, rows);
        ASSERT_EQ(got.size(), expected.size());
        if (first.empty()) first = got;
        for (size_t s = 0; s < got.size(); ++s) {
          ASSERT_TRUE(same_bits(got[s], first[s]));
          expect_finished(c, d, expected[s], got[s], rows);
        }
      }
    }
  }
}

TEST(LinearConformance, ManyRowsInSeveralPasses) {
  const Case c{"", B, B, B, 90, {64, 64, 32}, {0, 1, 1}};
  const Data d = make_data(c, 700);
  const auto expected = reference(c, d, 700);
  for (const Variant& v : variants()) {
    if (v.isa == "portable") continue;
    EXPECT_TRUE(same_bits(run(*make(v), c, d, 700)[0], expected[0])) << v.isa;
  }
}

TEST(LinearConformance, LongUnitsAndManyPanels) {
  // Units longer than what is multiplied at once, more outputs than one thread takes together.
  const Case c{"", B, B, B, 16 * 35 + 2, {600, 40, 32, 300, 30}, {0, 0, 2, 0, 2}, true};
  for (int64_t rows : {16, 49}) {
    const Data d = make_data(c, rows);
    const auto expected = reference(c, d, rows);
    for (const Variant& v : variants()) {
      if (v.isa == "portable" || v.threads == 2) continue;
      const auto got = run(*make(v), c, d, rows);
      for (size_t s = 0; s < got.size(); ++s) {
        expect_finished(c, d, expected[s], got[s], rows);
      }
      EXPECT_FALSE(HasFailure()) << v.isa << ", threads " << v.threads << ", rows " << rows;
    }
  }
}

TEST(LinearConformance, DenormalsAreFlushedAndNanStays) {
  Case c{"", B, B, B, 16, {32}, {0}};
  Data d = make_data(c, 1);
  for (float& v : d.x) v = 1e-20f;
  for (float& v : d.w) v = rounded(B, 1e-20f);
  d.w[5 * 32] = std::nanf("");
  for (const Variant& v : variants()) {
    const auto got = run(*make(v), c, d, 1)[0];
    EXPECT_EQ(got[0], 0.0f) << v.isa;
    EXPECT_TRUE(std::isnan(got[5])) << v.isa;
  }
}

TEST(LinearConformance, ProductsOfEverySizeRoundAlike) {
  // From denormals to 2^40: sums cancel, underflow and lose all but their largest product.
  const Case c{"", B, B, B, 70, {64, 96}, {0, 1}};
  constexpr int64_t kRows = 11;
  std::mt19937 generator(5);
  const auto number = [&generator] {
    const uint32_t exponents[] = {0, 1, 30, 64, 65, 120, 126, 127, 128, 167};
    const uint32_t bits = generator();
    const uint32_t half = (bits & 0x8000u) | exponents[(bits >> 16) % 10] << 7 | (bits & 0x7fu);
    return bf16_to_float(static_cast<uint16_t>(half));
  };
  Data d{std::vector<float>(kRows * 160), std::vector<float>(70 * 160), {}};
  for (float& v : d.x) v = number();
  for (float& v : d.w) v = number();
  const auto expected = run(*make({"portable", 1}), c, d, kRows)[0];
  for (const Variant& v : variants())
    EXPECT_TRUE(same_bits(run(*make(v), c, d, kRows)[0], expected)) << v.isa;
}

TEST(LinearConformance, CountsMultiplyAddsWithoutPadding) {
  const Case c{"", B, B, B, 37, {70}, {0}};
  const auto backend = make({"portable", 1});
  run(*backend, c, make_data(c, 3), 3);
  EXPECT_EQ(backend->macs(), 3 * 37 * 70);
}

TEST(EmbeddingConformance, ReadsRowsOfThePackedWeight) {
  for (DType type : {F, B, H}) {
    const auto values = random_floats(21 * 50, 4);
    const auto w = bytes_of(type, values);
    for (const Variant& v : variants()) {
      const auto backend = make(v);
      LinearSource source;
      source.weight.push_back({w.data(), type, 21, 50, 50});
      source.compute = type;
      source.units = {50};
      const auto table = backend->pack_linear(source);
      Owned out(*backend, DType::kF32, 4, 50);
      out.put(*backend, std::vector<float>(200, 7.0f));
      const std::vector<int32_t> ids{100, 120, 121, 99};
      backend->embedding({table.get(), ids, 100, out.m});
      const auto got = out.get(*backend);
      for (size_t i = 0; i < 50; ++i) {
        EXPECT_EQ(got[i], rounded(type, values[i]));
        EXPECT_EQ(got[50 + i], rounded(type, values[20 * 50 + i]));
        EXPECT_EQ(got[100 + i], 7.0f);
        EXPECT_EQ(got[150 + i], 7.0f);
      }
    }
  }
}

}  // namespace
}  // namespace tandem::testing
