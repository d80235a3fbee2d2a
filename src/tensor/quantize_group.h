// Quantizing a group, for each instruction set compiled once: everything here is in an anonymous
// namespace and calls nothing from other headers, so that no code of one serves another one. The
// order of every sum is fixed, so all give the same bits.
#pragma once

#include <cstdint>

#include "tensor/quantization.h"

namespace tandem {

/// Quantizes 32 values to kInt8, kInt4 or kInt4Min; `out` is empty before.
void quantize_whole_avx2(WeightFormat format, const float* w, QuantizedGroup& out);
void quantize_whole_avx512(WeightFormat format, const float* w, QuantizedGroup& out);

namespace {

/// A number as the half that is stored (clamped to what a half holds), and that half's value.
using HalfOf = uint16_t (*)(float x, float& value);

constexpr uint16_t kNanHalf = 0x7e00;
constexpr int kLanes = 16;
/// Bits of 2^64, from where a weight counts as not finite, and of 2^-64, below which a group is 0.
constexpr uint32_t kLargest = (127u + 64u) << 23, kSmallest = (127u - 64u) << 23;

/// To the nearest integer, halves to even, for |x| < 2^22.
inline float nearest(float x) {
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23
  return (x + kMagic) - kMagic;
}

inline float clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

inline uint32_t bits_of(float x) {
  uint32_t bits = 0;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

/// 16 sums side by side, added in a fixed tree: the same on every machine.
inline float total(float* lanes) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

struct Extent {
  float low, high;
  bool finite;
};
inline Extent extent(const float* w) {
  Extent e{w[0], w[0], true};
  uint32_t bits = 0;
  for (int64_t i = 0; i < kQuantGroup; ++i) {
    e.low = w[i] < e.low ? w[i] : e.low;
    e.high = w[i] > e.high ? w[i] : e.high;
    const uint32_t size = bits_of(w[i]) & 0x7fffffffu;
    bits = size > bits ? size : bits;
  }
  e.finite = bits < kLargest;
  if (bits < kSmallest) e.low = e.high = 0;
  return e;
}

inline void quantize_int8(const float* w, const Extent& e, HalfOf half_of, QuantizedGroup& out) {
  float scale = 0;
  out.scale = half_of((-e.low < e.high ? e.high : -e.low) / 127.0f, scale);
  const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
  for (int64_t i = 0; i < kQuantGroup; ++i) {
    const float q = nearest(clamp(w[i] * inverse, -127.0f, 127.0f));
    out.codes[i] = static_cast<uint8_t>(static_cast<int>(q) + 128);
  }
}

/// q = nearest(w / scale) in [-8, 7] with the sums of w q and q q.
struct Fit4 {
  float q[kQuantGroup];
  float wq, qq;
};
inline void fit(const float* w, float inverse, Fit4& f) {
  float wq[kLanes] = {}, qq[kLanes] = {};
  for (int64_t i = 0; i < kQuantGroup; ++i) {
    f.q[i] = nearest(clamp(w[i] * inverse, -8.0f, 7.0f));
  }
  for (int64_t i = 0; i < kQuantGroup; i += kLanes) {
    for (int64_t j = 0; j < kLanes; ++j) {
      wq[j] += w[i + j] * f.q[i + j];
      qq[j] += f.q[i + j] * f.q[i + j];
    }
  }
  f.wq = total(wq);
  f.qq = total(qq);
}

/// The best of a list of starts by how much of the squares (w q)^2 / q q it explains. The value
/// that is largest in size lies near -8, where there is one code more.
inline void quantize_int4(const float* w, const Extent& e, HalfOf half_of, QuantizedGroup& out) {
  constexpr float kStarts[] = {-8.0f, -7.0f, -7.25f, -7.5f, -7.75f, -8.25f, -8.5f, -8.75f};
  const float top = e.high > -e.low ? e.high : e.low;
  Fit4 best = {};
  float most = 0;
  for (const float start : kStarts) {
    Fit4 f;
    fit(w, top == 0 ? 0.0f : start / top, f);
    if (!(f.wq * f.wq * best.qq > most * f.qq) && most != 0) continue;
    most = f.wq * f.wq;
    best = f;
  }
  float scale = 0;
  out.scale = half_of(best.qq > 0 ? best.wq / best.qq : 0.0f, scale);
  for (int64_t i = 0; i < kQuantGroup; ++i) {
    out.codes[i] = static_cast<uint8_t>(static_cast<int>(best.q[i]) + 8);
  }
}

/// w = scale q + min by least squares for one way of rounding; `left` is the sum of squares that
/// remains with scale and minimum as halves.
struct FitMin {
  float q[kQuantGroup];
  uint16_t scale, min;
  float left;
};
struct Start {
  float low, inverse;
};
inline void fit_min(const float* w, Start start, HalfOf half_of, FitMin& f) {
  const float low = start.low, inverse = start.inverse;
  float q1[kLanes] = {}, qq[kLanes] = {}, wq[kLanes] = {}, w1[kLanes] = {};
  for (int64_t i = 0; i < kQuantGroup; ++i) {
    f.q[i] = nearest(clamp((w[i] - low) * inverse, 0.0f, 15.0f));
  }
  for (int64_t i = 0; i < kQuantGroup; i += kLanes) {
    for (int64_t j = 0; j < kLanes; ++j) {
      q1[j] += f.q[i + j];
      qq[j] += f.q[i + j] * f.q[i + j];
      wq[j] += (w[i + j] - low) * f.q[i + j];
      w1[j] += w[i + j] - low;
    }
  }
  constexpr auto kCount = static_cast<float>(kQuantGroup);
  const float sum_q = total(q1), sum_qq = total(qq), sum_wq = total(wq), sum_w = total(w1);
  const float determinant = kCount * sum_qq - sum_q * sum_q;
  const bool flat = !(determinant > 0);
  float scale = flat ? 0.0f : (kCount * sum_wq - sum_q * sum_w) / determinant;
  float min = low + (sum_w - scale * sum_q) / kCount;
  f.scale = half_of(scale, scale);
  f.min = half_of(min, min);
  float left[kLanes] = {};
  for (int64_t i = 0; i < kQuantGroup; i += kLanes) {
    for (int64_t j = 0; j < kLanes; ++j) {
      const float error = (f.q[i + j] * scale + min) - w[i + j];
      left[j] += error * error;
    }
  }
  f.left = total(left);
}

inline void quantize_int4_min(const float* w, const Extent& e, HalfOf half_of,
                              QuantizedGroup& out) {
  constexpr float kStarts[] = {15.0f, 14.0f, 14.25f, 14.5f, 14.75f, 15.25f, 15.5f, 15.75f};
  const float width = e.high - e.low;
  FitMin best = {};
  best.left = __builtin_inff();
  for (const float start : kStarts) {
    FitMin f;
    // A start above 15 rounds a narrower range finely and clamps its ends: centred.
    const float inverse = width > 0 ? start / width : 0.0f;
    const float low = e.low + width * (0.5f - 7.5f / start);
    fit_min(w, {low, inverse}, half_of, f);
    if (f.left < best.left) best = f;
  }
  out.scale = best.scale;
  out.min = best.min;
  for (int64_t i = 0; i < kQuantGroup; ++i) {
    out.codes[i] = static_cast<uint8_t>(static_cast<int>(best.q[i]));
  }
}

inline void quantize_whole(WeightFormat format, const float* w, HalfOf half_of,
                           QuantizedGroup& out) {
  const Extent e = extent(w);
  if (!e.finite) {
    out.scale = kNanHalf;
  } else if (format == WeightFormat::kInt8) {
    quantize_int8(w, e, half_of, out);
  } else if (format == WeightFormat::kInt4) {
    quantize_int4(w, e, half_of, out);
  } else {
    quantize_int4_min(w, e, half_of, out);
  }
}

}  // namespace
}  // namespace tandem
