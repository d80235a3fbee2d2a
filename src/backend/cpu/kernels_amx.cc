// AMX: products of many rows, of bfloat16 or of bytes, through tiles; everything else is AVX-512.
#include "backend/cpu/kernels.h"
#include "backend/cpu/quant_tile_kernel.h"
#include "backend/cpu/tiles_amx.h"

namespace tandem::cpu {
namespace {

/// The vector kernel needs 16 cycles a row and tile, and a core reads a tile from memory in about
/// 170: up to eight rows, which it takes at once, it is as fast as memory; then tiles are faster.
constexpr int kLeastRows = 9;

}  // namespace

const Kernels& amx_kernels() {
  static const TileKernels tiles = make_tile_kernels<AmxTiles>(kLeastRows);
  static const QuantTileKernels quant_tiles = make_quant_tile_kernels<AmxTiles>(kLeastRows);
  static const Kernels table = [] {
    Kernels k = avx512_kernels();
    k.isa = "amx";
    k.tiles = &tiles;
    k.quant_tiles = &quant_tiles;
    k.pairs = nullptr;  // tiles read weights that are not woven
    return k;
  }();
  return table;
}

}  // namespace tandem::cpu
