#include "support/software_tiles.h"

#include "backend/cpu/quant_tile_kernel.h"
#include "backend/cpu/tile_kernel.h"

namespace tandem::testing {

const cpu::Kernels& software_tile_kernels() {
  static const cpu::TileKernels tiles = cpu::make_tile_kernels<SoftwareTiles>(1);
  static const cpu::QuantTileKernels quant_tiles = cpu::make_quant_tile_kernels<SoftwareTiles>(1);
  static const cpu::Kernels table = [] {
    cpu::Kernels k = cpu::portable_kernels();
    k.isa = "amx in software";
    k.tiles = &tiles;
    k.quant_tiles = &quant_tiles;
    return k;
  }();
  return table;
}

}  // namespace tandem::testing
