#include "backend/cpu/tiles_amx.h"
#include "diag/probe.h"

namespace tandem {

double tile_loop_amx(const TileProbe& probe, float& sink) {
  using Tiles = cpu::AmxTiles;
  const cpu::TileConfig config;
  Tiles::configure(config);
  Tiles::zero<0>(), Tiles::zero<1>(), Tiles::zero<2>(), Tiles::zero<3>();
  for (int64_t i = 0; i < probe.rounds; ++i) {
    const std::byte* a = probe.rows + (2048 * i & (probe.row_bytes - 1));
    const std::byte* w = probe.weights + (2048 * i & (probe.weight_bytes - 1));
    cpu::tile_step<Tiles, 2, 2>(a, a + 1024, w, 1024);
  }
  alignas(64) float sums[256];
  Tiles::store<0>(sums, 64);
  sink += sums[0];
  Tiles::release();
  return static_cast<double>(probe.rounds) * 4 * 16 * 16 * 32 * 2;
}

}  // namespace tandem
