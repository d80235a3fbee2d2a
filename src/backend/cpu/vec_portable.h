// Sixteen virtual lanes in plain C++: the meaning of every operation that the other vec_*.h offer.
#pragma once

#include <cmath>
#include <cstring>

#include "base/half.h"

namespace tandem::cpu {
namespace {

struct V {
  float v[16];

  static V set1(float x) {
    V r;
    for (float& e : r.v) e = x;
    return r;
  }
  static V load(const float* p) {
    V r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
  }
  static V load_n(const float* p, int n) {
    V r = set1(0);
    std::memcpy(r.v, p, sizeof(float) * static_cast<size_t>(n));
    return r;
  }
  static void store(float* p, V a) { std::memcpy(p, a.v, sizeof a.v); }
  static void store_n(float* p, V a, int n) {
    std::memcpy(p, a.v, sizeof(float) * static_cast<size_t>(n));
  }
  static V load_bf16_n(const uint16_t* p, int n) {
    V r = set1(0);
    for (int i = 0; i < n; ++i) r.v[i] = bf16_to_float(p[i]);
    return r;
  }
  static V load_f16_n(const uint16_t* p, int n) {
    V r = set1(0);
    for (int i = 0; i < n; ++i) r.v[i] = f16_to_float(p[i]);
    return r;
  }
  static void store_bf16_n(uint16_t* p, V a, int n) {
    for (int i = 0; i < n; ++i) p[i] = float_to_bf16(a.v[i]);
  }
  static void store_f16_n(uint16_t* p, V a, int n) {
    for (int i = 0; i < n; ++i) p[i] = float_to_f16(a.v[i]);
  }
  /// The lowest byte of lanes [0, n).
  static void store_low_bytes_n(int8_t* p, V a, int n) {
    for (int i = 0; i < n; ++i) p[i] = static_cast<int8_t>(std::bit_cast<uint32_t>(a.v[i]));
  }
  static V round_bf16(V a) {
    for (float& e : a.v) e = bf16_to_float(float_to_bf16(e));
    return a;
  }
  static V round_f16(V a) {
    for (float& e : a.v) e = f16_to_float(float_to_f16(e));
    return a;
  }
  static V fma(V a, V b, V c) {
    for (int i = 0; i < 16; ++i) c.v[i] = std::fma(a.v[i], b.v[i], c.v[i]);
    return c;
  }
  static V add(V a, V b) {
    for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] + b.v[i];
    return a;
  }
  static V sub(V a, V b) {
    for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] - b.v[i];
    return a;
  }
  static V mul(V a, V b) {
    for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] * b.v[i];
    return a;
  }
  static V div(V a, V b) {
    for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] / b.v[i];
    return a;
  }
  /// The second where one is NaN, as MAXPS.
  static V max(V a, V b) {
    for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
    return a;
  }
  static V min(V a, V b) {
    for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
    return a;
  }
  /// Lanes [begin, end) of a, the others of b. begin and end may lie outside [0, 16].
  static V select(V a, V b, int begin, int end) {
    for (int i = 0; i < 16; ++i) a.v[i] = (i >= begin && i < end) ? a.v[i] : b.v[i];
    return a;
  }
  /// 2^(n-1) of t = 1.5 * 2^23 + n, for n in [-126, 128]; 0 for n = -126.
  static V half_pow2(V t) {
    for (float& e : t.v) e = std::bit_cast<float>((std::bit_cast<uint32_t>(e) + 126u) << 23);
    return t;
  }
  static bool any_nan(V a) {
    bool nan = false;
    for (float e : a.v) nan |= e != e;
    return nan;
  }
  /// Lowest lane that equals x, or 16.
  static int find(V a, float x) {
    for (int i = 0; i < 16; ++i) {
      if (a.v[i] == x) return i;
    }
    return 16;
  }
  static float reduce_max(V a) {
    float m = a.v[0];
    for (float e : a.v) m = e > m ? e : m;
    return m;
  }
  /// The fixed tree over lanes: i + (i+8), i + (i+4), i + (i+2), i + (i+1).
  static float reduce_add(V a) {
    for (int half = 8; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) a.v[i] = a.v[i] + a.v[i + half];
    }
    return a.v[0];
  }
};

/// Sixteen lanes in double.
struct VD {
  double v[16];
  static VD zero() { return VD{}; }
  static VD add(VD a, V b) {
    for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] + static_cast<double>(b.v[i]);
    return a;
  }
  static double reduce_add(VD a) {
    for (int half = 8; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) a.v[i] = a.v[i] + a.v[i + half];
    }
    return a.v[0];
  }
};

}  // namespace
}  // namespace tandem::cpu
