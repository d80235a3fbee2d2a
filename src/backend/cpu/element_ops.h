// Layer norm and the element-wise ops of blocks that a family writes itself: a part of
// elementwise.h, which includes it behind vexp(), vsilu(), put() and get().
#pragma once

#include "backend/cpu/kernels.h"

namespace tandem::cpu {
namespace {

/// 1 / (1 + exp(-x)).
V vsigmoid(V x) {
  const V one = V::set1(1.0f);
  return V::div(one, V::add(one, vexp(V::sub(V::set1(0.0f), x))));
}

/// x * Phi(x) = max(0, x) - |x| * Phi(-|x|). Phi(-a) = exp(-a^2 / 2) * t * P(t) with t = 1 / (1 +
/// 0.36 a); P interpolates at Chebyshev's points of the image of [0, 13.5], 8e-8 of the value.
V vgelu(V x) {
  const V zero = V::set1(0.0f), one = V::set1(1.0f);
  const V a = V::max(x, V::sub(zero, x));
  const V t = V::div(one, V::fma(a, V::set1(0.36f), one));
  V p = V::set1(-0.029108398f);
  p = V::fma(p, t, V::set1(0.13397406f));
  p = V::fma(p, t, V::set1(-0.21216862f));
  p = V::fma(p, t, V::set1(0.094415256f));
  p = V::fma(p, t, V::set1(0.0083856183f));
  p = V::fma(p, t, V::set1(0.092419244f));
  p = V::fma(p, t, V::set1(0.12489319f));
  p = V::fma(p, t, V::set1(0.14356568f));
  p = V::fma(p, t, V::set1(0.14362394f));
  const V e = vexp(V::mul(V::mul(a, a), V::set1(-0.5f)));
  const V tail = V::mul(V::mul(p, t), e);
  return V::sub(V::max(zero, x), V::mul(a, tail));
}

/// x / 2 * (1 + tanh(u)) = x / (1 + exp(-2u)) with u = sqrt(2 / pi) * (x + 0.044715 x^3).
V vgelu_tanh(V x) {
  const V inner = V::fma(V::mul(x, x), V::set1(-0.071354816f), V::set1(-1.5957691f));
  return V::div(x, V::add(V::set1(1.0f), vexp(V::mul(x, inner))));
}

/// Two passes, both in lane i % 16, ascending, then the tree over lanes: the sum, then the squares
/// of x - mean by fma.
void layer_norm_kernel(const LayerNormRow& a) {
  const V zero = V::set1(0.0f);
  V sum = zero;
  for (int64_t i = 0; i < a.n; i += 16) sum = V::add(sum, V::load_n(a.x + i, lanes_at(i, a.n)));
  const auto count = static_cast<float>(a.n);
  const V mean = V::set1(V::reduce_add(sum) / count);
  V squares = zero;
  for (int64_t i = 0; i < a.n; i += 16) {
    const int m = lanes_at(i, a.n);
    const V d = V::select(V::sub(V::load_n(a.x + i, m), mean), zero, 0, m);
    squares = V::fma(d, d, squares);
  }
  const V inv = V::set1(1.0f / __builtin_sqrtf(V::reduce_add(squares) / count + a.eps));
  for (int64_t i = 0; i < a.n; i += 16) {
    const int m = lanes_at(i, a.n);
    V y = V::mul(V::mul(V::sub(V::load_n(a.x + i, m), mean), inv), V::load_n(a.w + i, m));
    if (a.b != nullptr) y = V::add(y, V::load_n(a.b + i, m));
    put(a.type, a.out, i, y, m);
  }
}

template <typename F>
void each_element(const ElementRow& e, F f) {
  for (int64_t i = 0; i < e.n; i += 16) {
    const int m = lanes_at(i, e.n);
    put(e.type, e.out, i, f(get(e.a_type, e.a, i, m), i, m), m);
  }
}

template <V (*kFunction)(V)>
void unary_kernel(const ElementRow& e) {
  each_element(e, [](V a, int64_t, int) { return kFunction(a); });
}

template <V (*kFunction)(V, V)>
void binary_kernel(const ElementRow& e) {
  each_element(e, [&](V a, int64_t i, int m) { return kFunction(a, get(e.b_type, e.b, i, m)); });
}

void scale_kernel(const ElementRow& e) {
  each_element(e, [&](V a, int64_t, int) { return V::mul(a, V::set1(e.scale)); });
}

V vcopy(V x) { return x; }
V vrelu(V x) { return V::max(V::set1(0.0f), x); }

void set_element_ops(Kernels& k) {
  k.layer_norm = layer_norm_kernel;
  void (*const ops[kElementOps])(const ElementRow&) = {
      unary_kernel<vcopy>,   scale_kernel,        binary_kernel<V::add>,
      binary_kernel<V::mul>, unary_kernel<vrelu>, unary_kernel<vsigmoid>,
      unary_kernel<vsilu>,   unary_kernel<vgelu>, unary_kernel<vgelu_tanh>};
  for (int i = 0; i < kElementOps; ++i) k.element[i] = ops[i];
}

}  // namespace
}  // namespace tandem::cpu
