// A tile machine in plain C++, after the descriptions of LDTILECFG, TILELOADD, TILESTORED,
// TILEZERO, TILERELEASE and TDPBF16PS in Intel's Software Developer's Manual, volume 2: the AMX
// kernels are tested with it on processors without AMX. What would be a fault there is an exception
// here.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "backend/cpu/kernels.h"
#include "backend/cpu/tiles.h"
#include "base/denormals.h"
#include "base/half.h"

namespace tandem::testing {

class SoftwareTiles {
 public:
  static void configure(const cpu::TileConfig& config) {
    State& s = state();
    if (config.palette != 1 || config.start_row != 0) throw std::logic_error("palette, start row");
    for (uint8_t zero : config.reserved) {
      if (zero != 0) throw std::logic_error("reserved bytes of the tile configuration");
    }
    for (int t = 0; t < 16; ++t) {
      const int bytes = config.row_bytes[t], rows = config.rows[t];
      if (bytes > 64 || rows > 16 || (t >= 8 && bytes + rows > 0) || (bytes == 0) != (rows == 0)) {
        throw std::logic_error("shape of a tile");
      }
    }
    s = State{};
    s.configured = true;
    s.config = config;
  }
  static void release() { state() = State{}; }

  template <int kTile>
  static void zero() {
    std::memset(tile(kTile), 0, 1024);
  }
  template <int kTile>
  static void load(const void* from, int64_t stride) {
    uint8_t* to = tile(kTile);
    std::memset(to, 0, 1024);
    for (int64_t r = 0; r < rows(kTile); ++r) {
      std::memcpy(to + 64 * r, static_cast<const uint8_t*>(from) + r * stride, bytes(kTile));
    }
  }
  template <int kTile>
  static void store(void* to, int64_t stride) {
    const uint8_t* from = tile(kTile);
    for (int64_t r = 0; r < rows(kTile); ++r) {
      std::memcpy(static_cast<uint8_t*>(to) + r * stride, from + 64 * r, bytes(kTile));
    }
  }

  /// "FP32 FMA with DAZ=FTZ=1, RNE rounding. MXCSR neither consulted nor updated": so the control
  /// word is set here, whatever the caller's is.
  template <int kSum, int kRows, int kWeights>
  static void dot_bf16() {
    static_assert(kSum != kRows && kSum != kWeights && kRows != kWeights, "a fault");
    uint8_t *c = tile(kSum), *a = tile(kRows), *b = tile(kWeights);
    check_product(kSum, kRows, kWeights);
    const DenormalsFlushed flushed;
    for (int64_t m = 0; m < rows(kSum); ++m) {
      float even[16] = {}, odd[16] = {};
      for (int64_t k = 0; k < rows(kWeights); ++k) {
        for (int64_t n = 0; n < static_cast<int64_t>(bytes(kSum) / 4); ++n) {
          even[n] = std::fma(value(a, m, 2 * k), value(b, k, 2 * n), even[n]);
          odd[n] = std::fma(value(a, m, 2 * k + 1), value(b, k, 2 * n + 1), odd[n]);
        }
      }
      for (int64_t n = 0; n < static_cast<int64_t>(bytes(kSum) / 4); ++n) {
        float sum = 0;
        std::memcpy(&sum, c + 64 * m + 4 * n, 4);
        sum = sum + (even[n] + odd[n]);
        std::memcpy(c + 64 * m + 4 * n, &sum, 4);
      }
    }
  }
  template <int kSum, int kRows, int kWeights>
  static void dot_s8u8() {
    static_assert(kSum != kRows && kSum != kWeights && kRows != kWeights, "a fault");
    uint8_t *c = tile(kSum), *a = tile(kRows), *b = tile(kWeights);
    check_product(kSum, kRows, kWeights);
    for (int64_t m = 0; m < rows(kSum); ++m) {
      for (int64_t n = 0; n < static_cast<int64_t>(bytes(kSum) / 4); ++n) {
        int32_t sum = 0;
        std::memcpy(&sum, c + 64 * m + 4 * n, 4);
        for (int64_t k = 0; k < 4 * rows(kWeights); ++k)
          sum += static_cast<int8_t>(a[64 * m + k]) * b[64 * (k / 4) + 4 * n + k % 4];
        std::memcpy(c + 64 * m + 4 * n, &sum, 4);
      }
    }
  }
  static void halves(const std::byte* from, float* to) {
    for (int i = 0; i < 16; ++i) {
      uint16_t bits = 0;
      std::memcpy(&bits, from + 2 * i, 2);
      to[i] = f16_to_float(bits);
    }
  }
  static void chain(const int32_t* sums, int32_t less, float sx, const float* scale, float* c) {
    for (int i = 0; i < 16; ++i)
      c[i] = std::fma(static_cast<float>(sums[i] - less), sx * scale[i], c[i]);
  }
  static void prefetch(const void*) {}

 private:
  struct State {
    bool configured = false;
    cpu::TileConfig config;
    uint8_t data[8][1024] = {};
  };
  static State& state() {
    thread_local State s;
    return s;
  }
  static void check_product(int sum, int row, int weight) {
    if (rows(sum) != rows(row) || bytes(sum) != bytes(weight) ||
        bytes(row) != 4 * static_cast<size_t>(rows(weight))) {
      throw std::logic_error("tiles of a product do not fit together");
    }
  }
  static uint8_t* tile(int t) {
    if (!state().configured) throw std::logic_error("a tile is used without a configuration");
    return state().data[t];
  }
  static int64_t rows(int t) { return state().config.rows[t]; }
  static size_t bytes(int t) { return state().config.row_bytes[t]; }
  static float value(const uint8_t* data, int64_t row, int64_t i) {
    uint16_t bits = 0;
    std::memcpy(&bits, data + 64 * row + 2 * i, 2);
    return bf16_to_float(bits);
  }
};

/// The portable table with products by tiles in software, at any number of rows.
const cpu::Kernels& software_tile_kernels();

}  // namespace tandem::testing
