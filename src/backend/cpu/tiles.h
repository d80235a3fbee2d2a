// Products through a matrix unit (AMX): the chains of `Kernels::chain` for whole blocks of
// bfloat16 rows and panels, sums kept in the unit's registers over the steps of a unit of k.
//
// Vocabulary besides that of kernels.h: a *row tile* is sixteen rows of one step, [16 rows][32 k]
// (1 KiB). One product of a row tile and a tile adds, to 16 x 16 sums, exactly one step of rule 2.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem::cpu {

inline constexpr int64_t kTileRows = 16;
inline constexpr int64_t kRowTileBytes = 1024;

/// Steps inside one unit of k, and what happens to the stack of sums around them.
struct TileRun {
  int64_t steps = 0;
  bool fresh = true;  ///< pushes sums that start from +0; else the top ones go on
  int merges = 0;     ///< times that the top sums are then added to those below them
};

/// Memory that will be read soon: every step of the call asks for the next piece of it.
struct TileAhead {
  const std::byte* at = nullptr;
  int64_t lines = 0;  ///< a step, of 64 bytes
};

/// Rows x panels: two row tiles with one or two panels, or one row tile with one to four.
struct TileArgs {
  const std::byte* a = nullptr;  ///< bfloat16 [row tile][step][16 rows][32 k]
  int64_t a_bytes = 0;           ///< from a row tile to the next
  int row_tiles = 1;
  const std::byte* w = nullptr;  ///< tile of the first panel and step
  int64_t step_bytes = 0;        ///< from a tile to that of the next step
  int64_t panel_bytes = 0;       ///< and to that of the next panel
  int panels = 1;
  const TileRun* runs = nullptr;
  int64_t run_count = 0;
  /// Sums [16 * row_tiles][ldc], one above the other level_floats apart. Those from level `keep` on
  /// do not outlive the call and lie in `spare` instead, which stays in the L1 cache.
  float* stack = nullptr;
  float* spare = nullptr;
  int keep = 1;
  int depth = 0;  ///< sums on the stack at first
  int64_t level_floats = 0;
  int64_t ldc = 0;
  TileAhead ahead[2];  ///< weights, rows
};

/// The 64 bytes that LDTILECFG reads, palette 1.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

struct TileKernels {
  int least_rows = 0;  ///< rows from which products by tiles are faster than `chain`
  /// The calling thread may use tiles between begin and end only.
  void (*begin)() = nullptr;
  void (*end)() = nullptr;
  void (*block)(const TileArgs&) = nullptr;
  void (*scale)(float* x, int64_t n, float by) = nullptr;  ///< n: a multiple of 16
};

/// Tiles on the calling thread while it lives.
class TilesInUse {
 public:
  explicit TilesInUse(const TileKernels& tiles) : tiles_(tiles) { tiles_.begin(); }
  ~TilesInUse() { tiles_.end(); }
  TilesInUse(const TilesInUse&) = delete;
  TilesInUse& operator=(const TilesInUse&) = delete;

 private:
  const TileKernels& tiles_;
};

}  // namespace tandem::cpu
