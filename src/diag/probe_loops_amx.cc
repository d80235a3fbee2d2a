#include <immintrin.h>

#include <vector>

#include "diag/probe_loops.h"

namespace tandem {
namespace {

constexpr size_t kTile = 1024;  // bytes: 16 rows of 64
constexpr size_t kTiles = 256;  // a quarter of a megabyte: beyond L1, inside L2

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
  TileConfig() {
    for (int i = 0; i < 8; ++i) row_bytes[i] = 64, rows[i] = 16;
  }
};

/// Runs `step` over blocks of 2 x 2 tiles: two loads of each side, four products. GCC 12 does not
/// know that tile instructions touch memory, hence the barriers.
template <typename Step>
float tiles(int64_t rounds, Step step) {
  const TileConfig config;
  std::vector<uint8_t> memory(kTile * kTiles + 64, 0x3f);
  const uint8_t* base = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
  asm volatile("" ::: "memory");
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t round = 0; round < rounds; ++round) {
    const uint8_t* at = base + static_cast<size_t>(round) * 4 % kTiles * kTile;
    _tile_loadd(4, at, 64);
    _tile_loadd(5, at + kTile, 64);
    _tile_loadd(6, at + 2 * kTile, 64);
    _tile_loadd(7, at + 3 * kTile, 64);
    step();
  }
  alignas(64) float out[256] = {};
  _tile_stored(0, out, 64);
  asm volatile("" ::: "memory");
  _tile_release();
  return out[0];
}

}  // namespace

double tile_bf16_loop_amx(int64_t rounds, float& sink) {
  sink += tiles(rounds, [] {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  });
  return static_cast<double>(rounds) * 4 * 16 * 16 * 32 * 2;
}

double tile_int8_loop_amx(int64_t rounds, float& sink) {
  sink += tiles(rounds, [] {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  });
  return static_cast<double>(rounds) * 4 * 16 * 16 * 64 * 2;
}

}  // namespace tandem
