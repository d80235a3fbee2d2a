// Linear layers through a matrix unit. Rows are packed once per pass as tiles; then each thread
// goes, strip by strip of its panels, through chunks of steps: the strip's weights of a chunk lie
// in the L2 cache, two row tiles at a time in L1, and both are asked for one chunk or block ahead.
// The sums of a strip lie in L2 between chunks.
#include "backend/cpu/linear_tiles.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/linear_blocks.h"

namespace tandem::cpu {
namespace {

constexpr int64_t kChunkSteps = 8;    ///< 16 KiB of rows, 16 KiB of weights: both fit L1 with sums
constexpr int64_t kStripGroups = 4;   ///< 256 outputs: rows come from L3 once for all of them
constexpr int64_t kRowsAtOnce = 512;  ///< sums of a strip: 512 KiB a level
constexpr int64_t kLine = 64;         ///< bytes of a line of the cache
constexpr int64_t kStripFloats = kStripGroups * kGroup * kPanel;

/// The row tiles of one pass, two to a block; the last block may have one.
struct TileRows {
  int64_t first = 0, rows = 0;
  int64_t tiles() const { return ceil_div(rows, kTileRows); }
  int64_t blocks() const { return ceil_div(tiles(), 2); }
  int block_tiles(int64_t block) const {
    return static_cast<int>(std::min<int64_t>(2, tiles() - 2 * block));
  }
};

/// Row tile `tile` of a chunk: chunks lie one after the other as [row tile][step][16][32].
std::byte* row_tile(std::byte* a, const TileRows& rows, const TileChunk& chunk, int64_t tile) {
  return a + (rows.tiles() * chunk.step + tile * chunk.steps) * kRowTileBytes;
}

void pack_tile(const Matrix& in, const TileRows& rows, const TilePlan& plan, int64_t tile,
               std::byte* a) {
  static_assert(kLine == kStep * 2);
  const int64_t count = std::min(kTileRows, rows.rows - tile * kTileRows);
  for (const TileChunk& chunk : plan.chunks()) {
    std::byte* to = row_tile(a, rows, chunk, tile);
    for (int64_t s = chunk.step; s < chunk.step + chunk.steps; ++s) {
      for (int64_t r = 0; r < kTileRows; ++r, to += kLine) {
        if (r < count) {
          std::memcpy(to, row_of(in, rows.first + tile * kTileRows + r) + s * kStep * 2, kLine);
        } else {
          std::memset(to, 0, kLine);
        }
      }
    }
  }
}

/// One thread's part of a pass: all rows by its groups of panels.
class TileStrips {
 public:
  TileStrips(const Kernels& kernels, const LinearArgs& args, const TilePlan& plan, TileRows rows)
      : kernels_(kernels),
        args_(args),
        weight_(static_cast<const CpuPackedLinear&>(*args.weight)),
        plan_(plan),
        rows_(rows) {}

  static int64_t scratch_floats(const CpuPackedLinear& weight, const TileRows& rows) {
    return weight.tree_depth() * (rows.tiles() * kTileRows * kStripFloats + kSpareFloats);
  }

  void run(Share groups, std::byte* a, float* scratch) {
    a_ = a;
    spare_ = scratch;
    stack_ = scratch + weight_.tree_depth() * kSpareFloats;
    end_ = groups.end;
    for (first_ = groups.begin; first_ < end_; first_ += kStripGroups) strip();
  }

 private:
  static constexpr int64_t kSpareFloats = 4 * kTileRows * kPanel;

  /// Two row tiles take two panels at once, a single one four.
  struct Place {
    int64_t block, group, panel;  ///< panel: first one, in the group
    int row_tiles, panels;
  };

  /// Calls f(place) for the panels of one block, in order.
  template <typename F>
  void each_place(int64_t block, F f) const {
    const int row_tiles = rows_.block_tiles(block);
    const int64_t most = row_tiles == 2 ? 2 : 4;
    for (int64_t g = first_; g < std::min(first_ + kStripGroups, end_); ++g) {
      for (int64_t p = 0; p < weight_.group_panels(g); p += most) {
        const int64_t panels = std::min(most, weight_.group_panels(g) - p);
        f(Place{block, g, p, row_tiles, static_cast<int>(panels)});
      }
    }
  }

  float* stack(const Place& p) const {
    const int64_t outputs =
        2 * p.block * kStripFloats + ((p.group - first_) * kGroup + p.panel) * kPanel * p.row_tiles;
    return stack_ + outputs * kTileRows * weight_.tree_depth();
  }

  void strip() {
    for (size_t c = 0; c < plan_.chunks().size(); ++c) {
      for (int64_t b = 0; b < rows_.blocks(); ++b) {
        each_place(b, [&](const Place& place) { chunk_block(c, place); });
      }
    }
    const Finish finish{kernels_, weight_};
    for (int64_t b = 0; b < rows_.blocks(); ++b) {
      each_place(b, [&](const Place& place) {
        const int64_t row = 2 * b * kTileRows;
        const int64_t rows = std::min(rows_.rows - row, place.row_tiles * kTileRows);
        for (int64_t i = 0; i < weight_.results(); ++i) {
          finish.panels(args_.outs[static_cast<size_t>(i)], stack(place) + i * level_floats(place),
                        place.panels * kPanel, place.group * kGroup + place.panel, place.panels,
                        rows_.first + row, static_cast<int>(rows));
        }
      });
    }
  }

  static int64_t level_floats(const Place& p) {
    return p.row_tiles * kTileRows * p.panels * kPanel;
  }

  void chunk_block(size_t c, const Place& place) const {
    const TileChunk& chunk = plan_.chunks()[c];
    TileArgs t;
    t.a = row_tile(a_, rows_, chunk, 2 * place.block);
    t.a_bytes = chunk.steps * kRowTileBytes;
    t.row_tiles = place.row_tiles;
    t.step_bytes = weight_.group_panels(place.group) * weight_.tile_bytes();
    t.w =
        weight_.group(place.group) + chunk.step * t.step_bytes + place.panel * weight_.tile_bytes();
    t.panel_bytes = weight_.tile_bytes();
    t.panels = place.panels;
    t.runs = plan_.runs(chunk);
    t.run_count = static_cast<int64_t>(chunk.runs);
    t.stack = stack(place);
    t.spare = spare_;
    t.keep = chunk.keep;
    t.depth = chunk.depth;
    t.level_floats = level_floats(place);
    t.ldc = place.panels * kPanel;
    t.ahead[0] = next_weights(c, place);
    t.ahead[1] = next_rows(place, t);
    kernels_.tiles->block(t);
  }

  /// This call's part of the weights that the same group needs in the next chunk, or the next
  /// strip's group in the first.
  TileAhead next_weights(size_t c, const Place& place) const {
    const int64_t steps = plan_.chunks()[c].steps;
    int64_t group = place.group;
    if (++c == plan_.chunks().size()) {
      c = 0;
      group += kStripGroups;
      if (group >= end_) return {};
    }
    const TileChunk& next = plan_.chunks()[c];
    const int64_t step_bytes = weight_.group_panels(group) * weight_.tile_bytes();
    const int64_t all = rows_.tiles() * weight_.group_panels(place.group);
    const int64_t done =
        2 * place.block * weight_.group_panels(place.group) + place.panel * place.row_tiles;
    return part({weight_.group(group) + next.step * step_bytes, next.steps * step_bytes / kLine},
                {done, done + place.row_tiles * place.panels}, all, steps);
  }

  /// This call's part of the rows of the next block, which lie behind those of this one.
  TileAhead next_rows(const Place& place, const TileArgs& t) const {
    const int64_t strip_groups = std::min(first_ + kStripGroups, end_) - first_;
    const int64_t done = (place.group - first_) * kGroup + place.panel;
    const int64_t bytes = place.row_tiles * t.a_bytes;
    return part({t.a + bytes, bytes / kLine}, {done, done + place.panels}, strip_groups * kGroup,
                t.a_bytes / kRowTileBytes);
  }

  /// The part `share` of `all` of a range, asked for over `steps` steps.
  static TileAhead part(TileAhead whole, Share share, int64_t all, int64_t steps) {
    const int64_t begin = whole.lines * share.begin / all, end = whole.lines * share.end / all;
    return {whole.at + begin * kLine, ceil_div(end - begin, steps)};
  }

  const Kernels& kernels_;
  const LinearArgs& args_;
  const CpuPackedLinear& weight_;
  const TilePlan& plan_;
  const TileRows rows_;
  std::byte* a_ = nullptr;
  float* spare_ = nullptr;  ///< [level][two row tiles x two panels, or one x four]
  float* stack_ = nullptr;  ///< [block][panels of a place][level][rows of the block][outputs]
  int64_t first_ = 0, end_ = 0;
};

}  // namespace

void TilePlan::make(const CpuPackedLinear& weight) {
  runs_.clear();
  chunks_.clear();
  depth_ = 0;
  for (size_t u = 0; u < weight.unit_steps().size(); ++u) {
    const int64_t steps = weight.unit_steps()[u], pieces = ceil_div(steps, kChunkSteps);
    for (int64_t p = 0; p < pieces; ++p) {
      const bool last = p + 1 == pieces;
      add({steps * (p + 1) / pieces - steps * p / pieces, p == 0,
           last ? weight.tree().merges[u] : 0});
    }
  }
}

void TilePlan::add(const TileRun& run) {
  if (chunks_.empty() || chunks_.back().steps + run.steps > kChunkSteps) {
    TileChunk next;
    if (!chunks_.empty()) next.step = chunks_.back().step + chunks_.back().steps;
    next.run = runs_.size();
    next.depth = next.keep = depth_;
    chunks_.push_back(next);
  }
  runs_.push_back(run);
  depth_ += (run.fresh ? 1 : 0) - run.merges;
  TileChunk& chunk = chunks_.back();
  chunk.steps += run.steps;
  ++chunk.runs;
  chunk.keep = std::max(chunk.depth, depth_);
}

void CpuBackend::linear_tiles(const LinearArgs& args, const CpuPackedLinear& weight) {
  tile_plan_.make(weight);
  const int64_t passes = ceil_div(args.in.rows, kRowsAtOnce);
  const int64_t pass_tiles = ceil_div(ceil_div(args.in.rows, kTileRows), passes);
  for (int64_t first = 0; first < args.in.rows; first += pass_tiles * kTileRows) {
    const TileRows rows{first, std::min(args.in.rows - first, pass_tiles * kTileRows)};
    auto* a = reinterpret_cast<std::byte*>(
        shared_.floats(rows.tiles() * weight.steps() * kRowTileBytes / 4));
    pool_.run([&](int thread, int threads) {
      const Share share = share_of(rows.tiles(), thread, threads);
      for (int64_t t = share.begin; t < share.end; ++t) {
        pack_tile(args.in, rows, tile_plan_, t, a);
      }
    });
    pool_.run([&](int thread, int threads) {
      const Share share = share_of(weight.groups(), thread, threads);
      if (share.begin == share.end) return;
      float* scratch =
          scratch_[static_cast<size_t>(thread)].floats(TileStrips::scratch_floats(weight, rows));
      const TilesInUse in_use(*kernels_.tiles);
      TileStrips(kernels_, args, tile_plan_, rows).run(share, a, scratch);
    });
  }
}

}  // namespace tandem::cpu
