// Everything but matrix products, written once over the sixteen virtual lanes V of a vec_*.h, which
// a kernels_*.cc includes before this header. The same formula in body and tail.
// Length: one thing, because every instruction set compiles all of it against its own lanes.
#pragma once

#include "backend/cpu/kernels.h"
#include "backend/cpu/softmax.h"

namespace tandem::cpu {
namespace {

/// x / (1 + exp(-x)).
V vsilu(V x) {
  const V e = vexp(V::sub(V::set1(0.0f), x));
  return V::div(x, V::add(V::set1(1.0f), e));
}

V round_to(DType type, V x) {
  if (type == DType::kBF16) return V::round_bf16(x);
  if (type == DType::kF16) return V::round_f16(x);
  return x;
}

/// Stores lanes [0, n) rounded to the type as elements [at, at + n).
void put(DType type, std::byte* out, int64_t at, V x, int n) {
  if (type == DType::kF32) {
    V::store_n(reinterpret_cast<float*>(out) + at, x, n);
  } else if (type == DType::kBF16) {
    V::store_bf16_n(reinterpret_cast<uint16_t*>(out) + at, x, n);
  } else {
    V::store_f16_n(reinterpret_cast<uint16_t*>(out) + at, x, n);
  }
}

V get(DType type, const std::byte* from, int64_t at, int n) {
  if (type == DType::kF32) return V::load_n(reinterpret_cast<const float*>(from) + at, n);
  if (type == DType::kBF16) return V::load_bf16_n(reinterpret_cast<const uint16_t*>(from) + at, n);
  return V::load_f16_n(reinterpret_cast<const uint16_t*>(from) + at, n);
}

int lanes_at(int64_t i, int64_t n) { return n - i < 16 ? static_cast<int>(n - i) : 16; }

void exp_kernel(const float* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += 16) {
    const int m = lanes_at(i, n);
    V::store_n(out + i, vexp(V::load_n(x + i, m)), m);
  }
}

void widen_kernel(DType type, const std::byte* from, int64_t n, float* to) {
  for (int64_t i = 0; i < n; i += 16) {
    const int m = lanes_at(i, n);
    V::store_n(to + i, get(type, from, i, m), m);
  }
}

void narrow_kernel(DType type, const float* from, int64_t n, std::byte* to) {
  for (int64_t i = 0; i < n; i += 16) {
    const int m = lanes_at(i, n);
    put(type, to, i, V::load_n(from + i, m), m);
  }
}

void add_kernel(float* to, const float* from, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) {
    const int m = lanes_at(i, n);
    V::store_n(to + i, V::add(V::load_n(to + i, m), V::load_n(from + i, m)), m);
  }
}

void store_kernel(const StoreArgs& a) {
  const V none = V::set1(0.0f);
  const V bias = a.bias != nullptr ? V::load_n(a.bias, a.n) : none;
  const V gate_bias = a.gate_bias != nullptr ? V::load_n(a.gate_bias, a.n) : none;
  for (int r = 0; r < a.rows; ++r) {
    V x = V::load(a.c + r * a.ldc);
    if (a.bias != nullptr) x = V::add(x, bias);
    if (a.gate != nullptr) {
      V gate = V::load(a.gate + r * a.ldc);
      if (a.gate_bias != nullptr) gate = V::add(gate, gate_bias);
      x = V::mul(vsilu(gate), x);
    }
    put(a.type, a.out + r * a.out_stride, 0, x, a.n);
  }
}

/// Adds to the residual and returns its sum of squares: lane i % 16, ascending, then the tree.
float add_and_square(const NormArgs& a) {
  V squares = V::set1(0.0f);
  for (int64_t i = 0; i < a.n; i += 16) {
    const int m = lanes_at(i, a.n);
    V x = V::load_n(a.x + i, m);
    if (a.add != nullptr) {
      V add = V::load_n(a.add + i, m);
      if (a.add_bias != nullptr) add = V::add(add, V::load_n(a.add_bias + i, m));
      x = V::add(x, add);
      V::store_n(a.x + i, x, m);
    }
    squares = V::fma(x, x, squares);
  }
  return V::reduce_add(squares);
}

void rms_norm_kernel(const NormArgs& a) {
  const float squares = add_and_square(a);
  if (a.w == nullptr) return;
  const float inv = 1.0f / __builtin_sqrtf(squares / static_cast<float>(a.n) + a.eps);
  for (int64_t i = 0; i < a.n; i += 16) {
    const int m = lanes_at(i, a.n);
    const V y = V::mul(V::load_n(a.x + i, m), V::set1(inv));
    put(a.type, a.out, i, V::mul(y, V::load_n(a.w + i, m)), m);
  }
}

void softmax_kernel(const SoftmaxArgs& a) {
  softmax_row(a, [&](int i, V p) {
    V::store(a.p + (i / 2) * a.p_half + (i % 2) * 16, round_to(a.type, p));
  });
}

void rope_kernel(const RopeArgs& a) {
  const V scale = V::set1(a.q_scale != nullptr ? *a.q_scale : 1.0f);
  for (int64_t i = 0; i < a.half; i += 16) {
    const int m = lanes_at(i, a.half);
    const V cos = V::load_n(a.cos + i, m), sin = V::load_n(a.sin + i, m);
    const V x = V::load_n(a.in + i, m), y = V::load_n(a.in + a.half + i, m);
    V low = V::sub(V::mul(x, cos), V::mul(y, sin));
    V high = V::add(V::mul(y, cos), V::mul(x, sin));
    if (a.q_scale != nullptr) {
      low = V::mul(low, scale);
      high = V::mul(high, scale);
    }
    V::store_n(a.out + i, low, m);
    V::store_n(a.out + a.half + i, high, m);
  }
  for (int64_t i = 2 * a.half; i < a.head_dim; i += 16) {
    const int m = lanes_at(i, a.head_dim);
    const V x = V::load_n(a.in + i, m);
    V::store_n(a.out + i, a.q_scale != nullptr ? V::mul(x, scale) : x, m);
  }
}

float quantize_kernel(const float* x, int64_t n, int8_t* q) {
  const V zero = V::set1(0.0f);
  V top = zero;
  bool nan = false;
  for (int64_t i = 0; i < n; i += 16) {
    const V v = V::load_n(x + i, lanes_at(i, n));
    nan = nan || V::any_nan(v);
    top = V::max(top, V::max(v, V::sub(zero, v)));
  }
  const float scale = nan ? __builtin_nanf("") : V::reduce_max(top) / 127.0f;
  const bool usable = scale > 0.0f && scale < __builtin_inff();
  const V magic = V::set1(12582912.0f);  // 1.5 * 2^23: the integer appears in the low bits
  for (int64_t i = 0; i < n; i += 16) {
    const int m = lanes_at(i, n);
    const V v = usable ? V::div(V::load_n(x + i, m), V::set1(scale)) : zero;
    V::store_low_bytes_n(q + i, V::add(v, magic), m);
  }
  return scale;
}

void divide_kernel(const float* x, float d, int64_t n, DType type, std::byte* out) {
  for (int64_t i = 0; i < n; i += 16) {
    const int m = lanes_at(i, n);
    put(type, out, i, V::div(V::load_n(x + i, m), V::set1(d)), m);
  }
}

void silu_mul_kernel(const float* gate, const float* up, int64_t n, DType type, std::byte* out) {
  for (int64_t i = 0; i < n; i += 16) {
    const int m = lanes_at(i, n);
    put(type, out, i, V::mul(vsilu(V::load_n(gate + i, m)), V::load_n(up + i, m)), m);
  }
}

void unit_sums_kernel(const float* x, int64_t n, UnitSums* out) {
  const V lowest = V::set1(-__builtin_inff());
  V top = lowest;
  for (int64_t i = 0; i < n; i += 16) {
    const int m = lanes_at(i, n);
    const V v = V::load_n(x + i, m);
    if (V::any_nan(v)) {
      *out = {__builtin_nanf(""), i, __builtin_nan("")};
      return;
    }
    top = V::max(top, V::select(v, lowest, 0, m));
  }
  const float max = V::reduce_max(top);
  int64_t at = 0;  // the first that equals the maximum
  for (int64_t i = 0; i < n; i += 16) {
    const int lane = V::find(V::load_n(x + i, lanes_at(i, n)), max);
    if (lane < 16) {
      at = i + lane;
      break;
    }
  }
  VD sum = VD::zero();
  for (int64_t i = 0; i < n; i += 16) {
    const int m = lanes_at(i, n);
    const V e = vexp(V::sub(V::load_n(x + i, m), V::set1(max)));
    sum = VD::add(sum, V::select(e, V::set1(0.0f), 0, m));
  }
  *out = {x[at], at, VD::reduce_add(sum)};
}

}  // namespace
}  // namespace tandem::cpu

#include "backend/cpu/element_ops.h"

namespace tandem::cpu {
namespace {

/// The entries of the table that this header and element_ops.h define.
void set_elementwise(Kernels& k) {
  set_element_ops(k);
  k.widen = widen_kernel;
  k.narrow = narrow_kernel;
  k.add = add_kernel;
  k.store = store_kernel;
  k.rms_norm = rms_norm_kernel;
  k.softmax = softmax_kernel;
  k.rope = rope_kernel;
  k.quantize = quantize_kernel;
  k.divide = divide_kernel;
  k.silu_mul = silu_mul_kernel;
  k.unit_sums = unit_sums_kernel;
  k.exp = exp_kernel;
}

}  // namespace
}  // namespace tandem::cpu
