// exp and softmax over the sixteen virtual lanes V of a vec_*.h, which a kernel file includes
// before this header.
#pragma once

#include "backend/cpu/kernels.h"

namespace tandem::cpu {
namespace {

/// exp, at most 2 ulp: n = round(x / ln 2), r = x - n ln 2 (ln 2 in two parts, Cody and Waite), a
/// polynomial of degree 6 in r (least maximum error, 3e-9), scaled by 2^(n-1) and 2. Exactly 1 at
/// 0; 0 below -86.6, so that no denormal appears; infinity above 88.72; NaN stays NaN.
V vexp(V x) {
  x = V::max(V::set1(-87.6f), x);
  x = V::min(V::set1(88.8f), x);
  const V magic = V::set1(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const V t = V::fma(x, V::set1(0x1.715476p+0f), magic);
  const V n = V::sub(t, magic);
  V r = V::fma(n, V::set1(-0x1.62e400p-1f), x);
  r = V::fma(n, V::set1(-0x1.7f7d1cp-20f), r);
  V q = V::set1(0x1.6a2256p-10f);
  q = V::fma(q, r, V::set1(0x1.123b02p-7f));
  q = V::fma(q, r, V::set1(0x1.5558f8p-5f));
  q = V::fma(q, r, V::set1(0x1.555490p-3f));
  q = V::fma(q, r, V::set1(0x1.fffffcp-2f));
  V p = V::fma(V::mul(r, r), q, r);
  p = V::add(p, V::set1(1.0f));
  p = V::mul(p, V::half_pow2(t));
  return V::add(p, p);
}

/// Step i of the four: sixteen scores, those of keys that the row does not see at -infinity.
template <bool kWhole>
V scores(const SoftmaxArgs& a, int i) {
  V s = V::load(a.s + 16 * i);
  if (a.key_scales != nullptr) s = V::mul(s, V::load(a.key_scales + 16 * i));
  s = V::mul(s, V::set1(a.scale));
  if constexpr (kWhole) return s;
  return V::select(s, V::set1(-__builtin_inff()), a.begin - 16 * i, a.end - 16 * i);
}

/// kWhole: the row sees all of the block's keys.
template <bool kWhole, typename Put>
void softmax_block(const SoftmaxArgs& a, Put put) {
  const V zero = V::set1(0.0f);
  V s[4];
  V top = V::set1(-__builtin_inff());
  for (int i = 0; i < 4; ++i) top = V::max(top, s[i] = scores<kWhole>(a, i));
  const float block_max = V::reduce_max(top), old = *a.max;
  const float max = old > block_max ? old : block_max;
  V sum = zero;
  for (int i = 0; i < 4; ++i) {
    const auto seen = [&](V p) {
      return kWhole ? p : V::select(p, zero, a.begin - 16 * i, a.end - 16 * i);
    };
    V p = seen(vexp(V::sub(s[i], V::set1(max))));
    sum = V::add(sum, p);
    if (a.value_scales != nullptr) p = seen(V::mul(p, V::load(a.value_scales + 16 * i)));
    put(i, p);
  }
  float lanes[16] = {1};
  // Mostly the maximum stays; exp(0) is 1. Infinities and NaN do not compare equal here.
  if (old - max != 0) V::store(lanes, vexp(V::set1(old - max)));
  *a.alpha = lanes[0];
  *a.max = max;
  *a.sum = *a.sum * lanes[0] + V::reduce_add(sum);
}

/// One query row over one block of 64 keys; put(i, p) takes the probabilities of keys [16i, 16i +
/// 16), not rounded yet.
template <typename Put>
void softmax_row(const SoftmaxArgs& a, Put put) {
  if (a.begin <= 0 && a.end >= 64) return softmax_block<true>(a, put);
  softmax_block<false>(a, put);
}

}  // namespace
}  // namespace tandem::cpu
