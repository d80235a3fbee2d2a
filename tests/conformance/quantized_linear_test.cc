// linear() over quantized weights: every instruction set and thread count against rule 6 written
// down once more here, stored codes and weights quantized while packing.
#include <algorithm>
#include <numeric>

#include "conformance/fixture.h"
#include "tensor/quantization.h"

namespace tandem::testing {
namespace {

using enum WeightFormat;

struct Case {
  const char* name;
  DType activation;
  WeightFormat upper, lower;  ///< forms of the two stacked parts of the weight
  int64_t n;
  std::vector<int64_t> units;
  std::vector<int32_t> merges;
  bool bias = false;
  bool gate_up = false;
  bool stored = true;  ///< else floating point, quantized while packing
};

const DType F = DType::kF32, B = DType::kBF16, H = DType::kF16;

std::vector<Case> cases() {
  return {
      {"int8", B, kInt8, kInt8, 16, {32}, {0}},
      {"int8, odd sizes", B, kInt8, kInt8, 37, {70}, {0}, true},
      {"int8, many panels", F, kInt8, kInt8, 16 * 11 + 5, {200}, {0}, true},
      {"int8, tree of three units", H, kInt8, kInt8, 70, {64, 64, 24}, {0, 1, 1}},
      {"int8, gate and up", B, kInt8, kInt8, 2 * 39, {96}, {0}, true, true},
      {"int8, one output", B, kInt8, kInt8, 1, {2}, {0}},
      {"int4", B, kInt4, kInt4, 37, {70}, {0}, true},
      {"int4, five units, two results",
       B,
       kInt4,
       kInt4,
       130,
       {64, 64, 64, 64, 40},
       {0, 1, 0, 1, 0}},
      {"int4 with minimum", B, kInt4Min, kInt4Min, 37, {70}, {0}, true},
      {"int4 with minimum, short units",
       F,
       kInt4Min,
       kInt4Min,
       130,
       {24, 24, 24, 24},
       {0, 1, 0, 2}},
      {"int8 over int4", B, kInt8, kInt4, 50, {96}, {0}},
      {"int4 over int4 with minimum", B, kInt4, kInt4Min, 50, {96}, {0}},
      {"int8 over int4 with minimum", B, kInt8, kInt4Min, 50, {70}, {0}},
      {"quantized to int8", B, kInt8, kInt8, 70, {100, 20}, {0, 1}, false, false, false},
      {"quantized to int4", B, kInt4, kInt4, 70, {100, 20}, {0, 1}, false, false, false},
      {"quantized to int4 with minimum",
       F,
       kInt4Min,
       kInt4Min,
       70,
       {100, 20},
       {0, 1},
       false,
       false,
       false},
  };
}

int64_t sum_of(const std::vector<int64_t>& v) {
  return std::accumulate(v.begin(), v.end(), int64_t{0});
}

/// Codes and halves of n rows in one form, as a folder has them.
struct StoredRows {
  WeightFormat format = kInt8;
  int64_t rows = 0, k = 0, groups = 0;
  std::vector<std::byte> data, scale, min;
  std::vector<QuantizedGroup> list;  ///< [rows][groups], the same

  int64_t row_bytes() const { return is_int4(format) ? (k + 1) / 2 : k; }
  WeightRows view() const {
    WeightRows v{data.data(), DType::kU8,   rows,    k,     row_bytes(),
                 format,      scale.data(), nullptr, groups};
    if (has_min(format)) v.min = min.data();
    return v;
  }
};

void put16(std::vector<std::byte>& to, size_t i, uint16_t bits) {
  std::memcpy(&to[2 * i], &bits, 2);
}

StoredRows stored_rows(WeightFormat format, std::vector<QuantizedGroup> list, int64_t rows,
                       const std::vector<int64_t>& units) {
  StoredRows s{format, rows, sum_of(units), 0, {}, {}, {}, std::move(list)};
  for (int64_t unit : units) s.groups += ceil_div(unit, kQuantGroup);
  s.data.resize(static_cast<size_t>(rows * s.row_bytes()));
  s.scale.resize(static_cast<size_t>(2 * rows * s.groups));
  s.min.resize(s.scale.size());
  for (int64_t r = 0; r < rows; ++r) {
    int64_t k = 0, g = r * s.groups;
    for (int64_t unit : units) {
      for (int64_t first = 0; first < unit; first += kQuantGroup, ++g) {
        const QuantizedGroup& group = s.list[static_cast<size_t>(g)];
        put16(s.scale, static_cast<size_t>(g), group.scale);
        put16(s.min, static_cast<size_t>(g), group.min);
        for (int64_t i = 0; i < std::min(kQuantGroup, unit - first); ++i, ++k) {
          const uint8_t code = group.codes[i];
          if (is_int4(format)) {
            s.data[static_cast<size_t>(r * s.row_bytes() + k / 2)] |=
                std::byte(code << 4 * (k % 2));
          } else {
            s.data[static_cast<size_t>(r * s.row_bytes() + k)] = std::byte(code ^ 0x80);
          }
        }
      }
    }
  }
  return s;
}

/// Random codes over the whole range, -128 too.
std::vector<QuantizedGroup> random_groups(WeightFormat format, int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<QuantizedGroup> list(static_cast<size_t>(count));
  for (QuantizedGroup& g : list) {
    for (uint8_t& code : g.codes) {
      code = static_cast<uint8_t>(generator() % (is_int4(format) ? 16 : 256));
      if (!is_int4(format) && generator() % 4 == 0) code = 0;
    }
    g.scale = float_to_f16(0.01f + static_cast<float>(generator() % 1000) * 1e-5f);
    if (has_min(format)) g.min = float_to_f16(static_cast<float>(generator() % 1000) * -1e-4f);
  }
  return list;
}

std::vector<QuantizedGroup> quantized_groups(WeightFormat format, const std::vector<float>& w,
                                             int64_t rows, const std::vector<int64_t>& units) {
  std::vector<QuantizedGroup> list;
  const float* at = w.data();
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t unit : units) {
      for (int64_t k = 0; k < unit; k += kQuantGroup) {
        const int64_t count = std::min(kQuantGroup, unit - k);
        quantize_group(format, at, count, list.emplace_back());
        at += count;
      }
    }
  }
  return list;
}

struct Data {
  std::vector<float> x, bias, w;  ///< x [rows][k] unpadded; w only where it is not stored
  StoredRows upper, lower;
};

Data make_data(const Case& c, int64_t rows) {
  const int64_t k = sum_of(c.units), split = c.n / 3;
  Data d;
  d.x = random_floats(static_cast<size_t>(rows * k), 1);
  for (float& v : d.x) v = rounded(c.activation, v);
  if (c.bias) d.bias = random_floats(static_cast<size_t>(c.n), 3);
  int64_t groups = 0;
  for (int64_t unit : c.units) groups += ceil_div(unit, kQuantGroup);
  if (!c.stored) d.w = random_floats(static_cast<size_t>(c.n * k), 2);
  const auto part = [&](WeightFormat format, int64_t begin, int64_t count, uint32_t seed) {
    const std::vector<float> w =
        c.stored ? std::vector<float>{}
                 : std::vector<float>(d.w.begin() + begin * k, d.w.begin() + (begin + count) * k);
    return stored_rows(format,
                       c.stored ? random_groups(format, count * groups, seed)
                                : quantized_groups(format, w, count, c.units),
                       count, c.units);
  };
  d.upper = part(c.upper, 0, split, 11);
  d.lower = part(c.lower, split, c.n - split, 12);
  return d;
}

/// Rule 6 for one output and one unit.
float chain_of(const float* x, const QuantizedGroup* w, WeightFormat format, int64_t n) {
  float chain = 0;
  for (int64_t first = 0; first < n; first += kQuantGroup, ++w) {
    const int64_t count = std::min(kQuantGroup, n - first);
    float amax = 0;
    for (int64_t i = 0; i < count; ++i) amax = std::max(amax, std::abs(x[first + i]));
    int32_t sum = 0, sum_x = 0;
    for (int64_t i = 0; i < count; ++i) {
      const auto q = static_cast<int32_t>(std::nearbyint(x[first + i] * (127.0f / amax)));
      sum += q * (format == kInt4   ? w->codes[i] - 8
                  : is_int4(format) ? w->codes[i]
                                    : w->codes[i] - 128);
      sum_x += q;
    }
    const float sx = amax / 127.0f;
    chain = std::fma(static_cast<float>(sum), sx * f16_to_float(w->scale), chain);
    if (has_min(format)) {
      chain = std::fma(static_cast<float>(sum_x), sx * f16_to_float(w->min), chain);
    }
  }
  return chain;
}

std::vector<std::vector<float>> reference(const Case& c, const Data& d, int64_t rows) {
  const int64_t k = sum_of(c.units);
  std::vector<std::vector<float>> out(static_cast<size_t>(TreeProgram{c.merges}.results()),
                                      std::vector<float>(static_cast<size_t>(rows * c.n)));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < c.n; ++j) {
      const bool lower = j >= d.upper.rows;
      const StoredRows& part = lower ? d.lower : d.upper;
      const QuantizedGroup* w =
          &part.list[static_cast<size_t>((lower ? j - d.upper.rows : j) * part.groups)];
      std::vector<float> stack;
      int64_t at = 0;
      for (size_t u = 0; u < c.units.size(); ++u) {
        stack.push_back(
            chain_of(&d.x[static_cast<size_t>(i * k + at)], w, part.format, c.units[u]));
        at += c.units[u];
        w += ceil_div(c.units[u], kQuantGroup);
        for (int32_t m = 0; m < c.merges[u]; ++m) {
          const float top = stack.back();
          stack.pop_back();
          stack.back() += top;
        }
      }
      for (size_t s = 0; s < stack.size(); ++s) {
        const float bias = c.bias ? d.bias[static_cast<size_t>(j)] : 0.0f;
        out[s][static_cast<size_t>(i * c.n + j)] = c.bias ? stack[s] + bias : stack[s];
      }
    }
  }
  return out;
}

std::unique_ptr<PackedLinear> pack(Backend& backend, const Case& c, const Data& d) {
  LinearSource source;
  const int64_t k = sum_of(c.units);
  const auto bias = bytes_of(F, d.bias);
  const auto w = bytes_of(F, d.w);
  if (c.stored) {
    source.weight = {d.upper.view(), d.lower.view()};
  } else {
    source.weight = {{w.data(), F, c.n, k, k}};
    source.quantize = c.upper;
  }
  if (c.bias) source.bias.push_back({bias.data(), F, 1, c.n, c.n});
  source.compute = is_16bit(c.activation) ? c.activation : F;
  source.units = c.units;
  source.tree = TreeProgram{c.merges};
  source.gate_up = c.gate_up;
  return backend.pack_linear(source);
}

std::vector<std::vector<float>> run(Backend& backend, const Case& c, const Data& d, int64_t rows) {
  const auto weight = pack(backend, c, d);
  const int64_t k = sum_of(c.units), padded_k = weight->padded_k();
  std::vector<float> padded(static_cast<size_t>(rows * padded_k));
  int64_t from = 0, to = 0;
  for (int64_t unit : c.units) {
    for (int64_t i = 0; i < rows; ++i) {
      std::copy_n(d.x.begin() + i * k + from, unit, padded.begin() + i * padded_k + to);
    }
    from += unit;
    to += round_up(unit, kStep);
  }
  Owned in(backend, c.activation, rows, padded_k);
  in.put(backend, padded);
  std::vector<Owned> outs;
  std::vector<Matrix> matrices;
  for (int64_t i = 0; i < weight->results(); ++i) {
    outs.emplace_back(backend, F, rows, c.gate_up ? c.n / 2 : c.n);
    matrices.push_back(outs.back().m);
  }
  backend.linear({in.m, weight.get(), matrices});
  std::vector<std::vector<float>> results;
  for (const Owned& out : outs) results.push_back(out.get(backend));
  return results;
}

TEST(QuantizedLinearConformance, EveryInstructionSetEqualsTheRule) {
  std::vector<std::unique_ptr<Backend>> backends;
  for (const Variant& v : variants()) backends.push_back(make(v));
  for (const Case& c : cases()) {
    for (int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 40}) {
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
          if (c.gate_up) continue;
          ASSERT_TRUE(same_bits(got[s], expected[s]));
        }
      }
    }
  }
}

TEST(QuantizedLinearConformance, ManyRowsInSeveralPasses) {
  const Case c{"", B, kInt8, kInt8, 90, {64, 64, 32}, {0, 1, 1}};
  const Data d = make_data(c, 700);
  const auto expected = reference(c, d, 700);
  for (const Variant& v : variants()) {
    if (v.isa == "portable") continue;
    EXPECT_TRUE(same_bits(run(*make(v), c, d, 700)[0], expected[0])) << v.isa;
  }
}

TEST(QuantizedLinearConformance, GroupsOfZerosTinyAndNotFiniteActivations) {
  const Case c{"", F, kInt8, kInt4Min, 50, {32, 32, 32, 32}, {0, 1, 0, 2}};
  for (float odd : {0.0f, 1e-38f, 1e-40f, 3e38f, INFINITY, std::nanf("")}) {
    Data d = make_data(c, 1);
    for (int i = 32; i < 64; ++i) d.x[static_cast<size_t>(i)] = i == 40 ? odd : 0.0f;
    std::vector<float> first;
    for (const Variant& v : variants()) {
      const std::vector<float> got = run(*make(v), c, d, 1)[0];
      if (first.empty()) first = got;
      EXPECT_TRUE(same_bits(got, first)) << v.isa << " " << odd;
      EXPECT_EQ(std::isfinite(got[0]), std::isfinite(odd)) << v.isa << " " << odd;
    }
  }
}

TEST(QuantizedEmbeddingConformance, ReadsRowsAsTheFormsFormulaSays) {
  for (WeightFormat format : {kInt8, kInt4, kInt4Min}) {
    const Case c{"", B, format, format, 21, {50}, {0}};
    const Data d = make_data(c, 1);
    for (const Variant& v : variants()) {
      const auto backend = make(v);
      const auto table = pack(*backend, c, d);
      Owned out(*backend, F, 21, 50);
      std::vector<int32_t> ids(21);
      std::iota(ids.begin(), ids.end(), 0);
      backend->embedding({table.get(), ids, 0, out.m});
      std::vector<float> expected;
      for (const StoredRows* part : {&d.upper, &d.lower}) {
        for (int64_t i = 0; i < part->rows * 50; ++i) {
          const auto& g = part->list[static_cast<size_t>(i / 50 * 2 + i % 50 / 32)];
          expected.push_back(quantized_value(format, g.codes[i % 50 % 32], f16_to_float(g.scale),
                                             f16_to_float(g.min)));
        }
      }
      EXPECT_TRUE(same_bits(out.get(*backend), expected)) << v.isa;
    }
  }
}

}  // namespace
}  // namespace tandem::testing
