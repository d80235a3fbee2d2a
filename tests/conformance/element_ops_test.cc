// Layer norm and the element-wise ops: against double, and bit for bit over instruction sets and
// threads.
#include <functional>
#include <limits>

#include "conformance/fixture.h"

namespace tandem::testing {
namespace {

std::unique_ptr<PackedVector> vector_of(Backend& b, const std::vector<float>& v) {
  const auto n = static_cast<int64_t>(v.size());
  return b.pack_vector({reinterpret_cast<const std::byte*>(v.data()), DType::kF32, 1, n, n});
}

struct LayerNormCase {
  int64_t rows, n;
  bool bias;
  DType type;
};

void expect_layer_norm(const LayerNormCase& c) {
  const auto n = static_cast<size_t>(c.n);
  auto x = random_floats(static_cast<size_t>(c.rows) * n, 1);
  for (float& v : x) v += 3;  // a mean that matters
  const auto w = random_floats(n, 2), bias = random_floats(n, 3);
  std::vector<float> first;
  for (const Variant& v : variants()) {
    const auto b = make(v);
    Owned in(*b, DType::kF32, c.rows, c.n), out(*b, c.type, c.rows, c.n);
    in.put(*b, x);
    const auto weight = vector_of(*b, w), add = vector_of(*b, bias);
    b->layer_norm({in.m, weight.get(), c.bias ? add.get() : nullptr, 1e-5f, out.m});
    const auto got = out.get(*b);
    if (first.empty()) first = got;
    ASSERT_TRUE(same_bits(got, first)) << v.isa;
  }
  for (size_t row = 0; row < first.size(); row += n) {
    double mean = 0, squares = 0;
    for (size_t j = 0; j < n; ++j) mean += x[row + j] / static_cast<double>(n);
    for (size_t j = 0; j < n; ++j) squares += (x[row + j] - mean) * (x[row + j] - mean);
    const double inv = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-5);
    for (size_t j = 0; j < n; ++j) {
      const double e = (x[row + j] - mean) * inv * w[j] + (c.bias ? bias[j] : 0);
      const double scale = std::abs(e) + std::abs(w[j]) + 0.5;
      ASSERT_NEAR(first[row + j], e, scale * (c.type == DType::kF32 ? 3e-6 : 0.004)) << j;
    }
  }
}

TEST(LayerNormConformance, EqualsDoubleAndEveryInstructionSet) {
  for (int64_t n : {1, 15, 16, 17, 64, 200, 2049}) {
    for (DType type : {DType::kF32, DType::kBF16, DType::kF16}) {
      expect_layer_norm({n == 2049 ? 20 : 3, n, n % 2 == 1, type});
    }
  }
}

struct Function {
  ElementOp op;
  std::function<double(double)> exact;
};

/// Every instruction set gives these bits; the first is returned.
std::vector<float> everywhere(ElementOp op, const std::vector<float>& x) {
  const auto n = static_cast<int64_t>(x.size());
  std::vector<float> first;
  for (const Variant& v : variants()) {
    const auto b = make(v);
    Owned a(*b, DType::kF32, 2, n / 2), out(*b, DType::kF32, 2, n / 2);
    a.put(*b, x);
    ElementwiseArgs args;
    args.op = op;
    args.a = a.m;
    args.scale = 0.3f;
    args.out = out.m;
    b->elementwise(args);
    const auto got = out.get(*b);
    if (first.empty()) first = got;
    EXPECT_TRUE(same_bits(got, first)) << v.isa << " op " << static_cast<int>(op);
  }
  return first;
}

TEST(ElementConformance, FunctionsOfOneOperand) {
  const double root = std::sqrt(2 / 3.14159265358979323846);
  const auto gelu_tanh = [root](double x) {
    return x / 2 * (1 + std::tanh(root * (x + 0.044715 * x * x * x)));
  };
  const std::vector<Function> functions = {
      {ElementOp::kCopy, [](double x) { return x; }},
      {ElementOp::kScale, [](double x) { return x * static_cast<double>(0.3f); }},
      {ElementOp::kRelu, [](double x) { return x > 0 ? x : 0; }},
      {ElementOp::kSigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }},
      {ElementOp::kSilu, [](double x) { return x / (1 + std::exp(-x)); }},
      {ElementOp::kGelu, [](double x) { return x / 2 * std::erfc(-x / std::sqrt(2.0)); }},
      {ElementOp::kGeluTanh, gelu_tanh}};
  for (const Function& f : functions) {
    for (float spread : {1.0f, 30.0f}) {
      auto x = random_floats(2 * 333, 7, spread);
      x[0] = 0, x[1] = -0.0f, x[2] = 88.5f, x[3] = -88.5f, x[4] = 1e18f, x[5] = -1e18f;
      const auto got = everywhere(f.op, x);
      for (size_t i = 0; i < x.size(); ++i) {
        const double e = f.exact(x[i]);
        // Of the value, and of the distance to 0 where the value is tiny beside it.
        const double bound = 5e-7 * std::abs(e) + 2e-7 * std::min(1.0f, std::abs(x[i])) + 1e-37;
        ASSERT_NEAR(got[i], e, bound) << "op " << static_cast<int>(f.op) << " of " << x[i];
      }
    }
  }
}

TEST(ElementConformance, NanStaysNan) {
  std::vector<float> x(34, 1.0f);
  x[20] = std::numeric_limits<float>::quiet_NaN();
  for (int op = 0; op < 9; ++op) {
    if (op == 2 || op == 3) continue;  // two operands
    const auto got = everywhere(static_cast<ElementOp>(op), x);
    EXPECT_TRUE(std::isnan(got[20])) << op;
    EXPECT_FALSE(std::isnan(got[19])) << op;
  }
}

TEST(ElementConformance, TwoOperandsOfAnyTypeAndARowForAll) {
  const int64_t rows = 5, n = 37;
  const auto x = random_floats(static_cast<size_t>(rows * n), 1),
             y = random_floats(static_cast<size_t>(rows * n), 2),
             z = random_floats(static_cast<size_t>(n), 3);
  for (DType type : {DType::kF32, DType::kBF16, DType::kF16}) {
    for (ElementOp op : {ElementOp::kAdd, ElementOp::kMul}) {
      for (const Variant& v : variants()) {
        const auto b = make(v);
        Owned a(*b, type, rows, n), other(*b, DType::kF32, rows, n), out(*b, type, rows, n);
        const auto row = vector_of(*b, z);
        for (bool one_row : {false, true}) {
          a.put(*b, x);
          other.put(*b, y);
          ElementwiseArgs args{
              op, a.m, one_row ? Matrix{} : other.m, one_row ? row.get() : nullptr, 1, out.m};
          b->elementwise(args);
          const auto got = out.get(*b);
          for (size_t i = 0; i < got.size(); ++i) {
            const float left = rounded(type, x[i]);
            const float right = one_row ? z[i % static_cast<size_t>(n)] : y[i];
            const float e = op == ElementOp::kAdd ? left + right : left * right;
            ASSERT_EQ(got[i], rounded(type, e)) << v.isa;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace tandem::testing
