// Linear layers. Few rows: the weights stream once through `chain`, a group of panels at a time.
// Many rows: blocked, with weights widened to float32 in the L1 cache. Either way an output's
// float32 chain restarts at every unit and the units' sums are added in the tree's order.
#include <algorithm>

#include "backend/checks.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/linear_blocks.h"

namespace tandem::cpu {
namespace {

constexpr int64_t kFewRows = 24;      ///< up to here the weights' bytes cost more than the products
constexpr int64_t kPieceSteps = 4;    ///< steps of a group kept in L1 while blocks of rows use them
constexpr int64_t kWideSteps = 4;     ///< steps of a widened pair of panels: 16 KiB, in L1
constexpr int64_t kRowsAtOnce = 512;  ///< rows whose sums and activations stay in L2 and L3

/// x[step][row of the block][32] of one block: activations widened to float32.
void widen_block(const Kernels& kernels, const Matrix& in, int64_t row, int rows, float* x) {
  const int64_t steps = in.cols / kStep;
  for (int r = 0; r < rows; ++r) {
    const std::byte* from = row_of(in, row + r);
    for (int64_t s = 0; s < steps; ++s) {
      kernels.widen(in.dtype, from + s * kStep * dtype_bytes(in.dtype), kStep,
                    x + (s * rows + r) * kStep);
    }
  }
}

}  // namespace

void CpuBackend::linear_few_rows(const LinearArgs& args, const CpuPackedLinear& weight) {
  const RowBlocks blocks(args.in.rows, kernels_.max_rows);
  const int64_t rows = args.in.rows, steps = weight.steps();
  const auto chain = kernels_.chain[type_index(weight.type())];
  const int64_t level = rows * kGroupFloats;
  pool_.run([&](int thread, int threads) {
    const Share share = share_of(weight.groups(), thread, threads);
    if (share.begin == share.end) return;
    float* x = scratch_[static_cast<size_t>(thread)].floats(rows * steps * kStep +
                                                            weight.tree_depth() * level);
    float* sums = x + rows * steps * kStep;
    for (int64_t b = 0; b < blocks.count; ++b) {
      widen_block(kernels_, args.in, blocks.begin(b), blocks.size(b),
                  x + blocks.begin(b) * steps * kStep);
    }
    for (int64_t g = share.begin; g < share.end; ++g) {
      ChainArgs c;
      c.panels = static_cast<int>(weight.group_panels(g));
      c.step_bytes = c.panels * weight.tile_bytes();
      c.ldc = kGroupFloats;
      int64_t depth = 0, step = 0;
      for (size_t u = 0; u < weight.unit_steps().size(); ++u) {
        float* top = sums + depth++ * level;
        std::fill_n(top, level, 0.0f);
        const int64_t end = step + weight.unit_steps()[u];
        // One block takes the whole unit; several share pieces of it while these are in L1.
        const int64_t piece = blocks.count == 1 ? end - step : kPieceSteps;
        for (; step < end; step += c.steps) {
          c.steps = std::min(piece, end - step);
          c.w = weight.group(g) + step * c.step_bytes;
          for (int64_t b = 0; b < blocks.count; ++b) {
            c.rows = blocks.size(b);
            c.x = x + (blocks.begin(b) * steps + step * c.rows) * kStep;
            c.c = top + blocks.begin(b) * kGroupFloats;
            chain(c);
          }
        }
        for (int32_t m = 0; m < weight.tree().merges[u]; ++m) {
          --depth;
          kernels_.add(sums + (depth - 1) * level, sums + depth * level, level);
        }
      }
      const Finish finish{kernels_, weight};
      for (int64_t i = 0; i < depth; ++i) {
        finish.panels(args.outs[static_cast<size_t>(i)], sums + i * level, kGroupFloats, g * kGroup,
                      c.panels, 0, static_cast<int>(rows));
      }
    }
  });
}

namespace {

/// The many-rows product of one group of panels with one set of row blocks. Sums of a block of rows
/// and a pair of panels lie together: [block][pair][level][rows of the block][32].
class WideGroup {
 public:
  WideGroup(const Kernels& kernels, const LinearArgs& args, const CpuPackedLinear& weight,
            const RowBlocks& blocks, int64_t first_row)
      : kernels_(kernels), args_(args), weight_(weight), blocks_(blocks), first_row_(first_row) {}

  static int64_t scratch_floats(const CpuPackedLinear& weight, const RowBlocks& blocks) {
    return kWideSteps * 2 * kStep * kPanel + blocks.rows * kGroupFloats * weight.tree_depth();
  }

  void run(int64_t group, const float* x, float* scratch) {
    panels_ = weight_.group_panels(group);
    w_ = weight_.group(group);
    x_ = x;
    wide_ = scratch;
    sums_ = scratch + kWideSteps * 2 * kStep * kPanel;
    int64_t step = 0;
    unit_ = 0, unit_done_ = 0, depth_ = 0;
    while (step < weight_.steps()) {
      const int64_t n = std::min(kWideSteps, weight_.steps() - step);
      const State before{unit_, unit_done_, depth_};
      for (int64_t pair = 0; 2 * pair < panels_; ++pair) {
        load_pair(pair, step, n);
        for (int64_t b = 0; b < blocks_.count; ++b) {
          unit_ = before.unit, unit_done_ = before.unit_done, depth_ = before.depth;
          block_steps(pair, b, step, n);
        }
      }
      step += n;
    }
    finish(group);
  }

 private:
  struct State {
    size_t unit;
    int64_t unit_done, depth;
  };

  int pair_panels(int64_t pair) const { return panels_ - 2 * pair >= 2 ? 2 : 1; }

  /// Widens steps [step, step + n) of a pair of panels; float32 weights are used where they lie.
  void load_pair(int64_t pair, int64_t step, int64_t n) {
    const int64_t step_bytes = panels_ * weight_.tile_bytes();
    const std::byte* w = w_ + step * step_bytes + 2 * pair * weight_.tile_bytes();
    if (weight_.type() == DType::kF32) {
      chain_.w = w;
      chain_.step_bytes = step_bytes;
      panel_bytes_ = weight_.tile_bytes();
    } else {
      panel_bytes_ = kWideSteps * kStep * kPanel * 4;
      for (int p = 0; p < pair_panels(pair); ++p) {
        kernels_.expand[type_index(weight_.type())](w + p * weight_.tile_bytes(), step_bytes, n,
                                                    wide_ + p * panel_bytes_ / 4);
      }
      chain_.w = reinterpret_cast<const std::byte*>(wide_);
      chain_.step_bytes = kStep * kPanel * 4;
    }
    chain_.panels = pair_panels(pair);
    chain_.ldc = 2 * kPanel;
  }

  float* sums(int64_t pair, int64_t block) const {
    const int64_t row_floats = 2 * kPanel * weight_.tree_depth();
    return sums_ + (2 * blocks_.begin(block) + pair * blocks_.size(block)) * row_floats;
  }

  /// Continues one block's chains over steps [step, step + n), through units and tree.
  void block_steps(int64_t pair, int64_t block, int64_t step, int64_t n) {
    ChainArgs c = chain_;
    c.rows = blocks_.size(block);
    const int64_t level = c.rows * 2 * kPanel;
    float* stack = sums(pair, block);
    const float* x = x_ + blocks_.begin(block) * weight_.steps() * kStep;
    for (int64_t done = 0; done < n; done += c.steps) {
      if (unit_done_ == 0) std::fill_n(stack + depth_++ * level, level, 0.0f);
      c.steps = std::min(weight_.unit_steps()[unit_] - unit_done_, n - done);
      c.x = x + (step + done) * c.rows * kStep;
      if (block + 1 < blocks_.count) {
        const int rows = blocks_.size(block + 1);
        c.next_x = x + (c.rows * weight_.steps() + (step + done) * rows) * kStep;
      }
      c.w = chain_.w + done * c.step_bytes;
      c.c = stack + (depth_ - 1) * level;
      kernels_.chain_wide(c, panel_bytes_);
      unit_done_ += c.steps;
      if (unit_done_ < weight_.unit_steps()[unit_]) continue;
      for (int32_t m = 0; m < weight_.tree().merges[unit_]; ++m) {
        --depth_;
        kernels_.add(stack + (depth_ - 1) * level, stack + depth_ * level, level);
      }
      ++unit_;
      unit_done_ = 0;
    }
  }

  void finish(int64_t group) const {
    const Finish finish{kernels_, weight_};
    for (int64_t pair = 0; 2 * pair < panels_; ++pair) {
      for (int64_t b = 0; b < blocks_.count; ++b) {
        const int rows = blocks_.size(b);
        for (int64_t i = 0; i < depth_; ++i) {
          finish.panels(args_.outs[static_cast<size_t>(i)], sums(pair, b) + i * rows * 2 * kPanel,
                        2 * kPanel, group * kGroup + 2 * pair, pair_panels(pair),
                        first_row_ + blocks_.begin(b), rows);
        }
      }
    }
  }

  const Kernels& kernels_;
  const LinearArgs& args_;
  const CpuPackedLinear& weight_;
  const RowBlocks& blocks_;
  int64_t first_row_;
  int64_t panels_ = 0;
  const std::byte* w_ = nullptr;
  const float* x_ = nullptr;
  float* wide_ = nullptr;  ///< [panel of the pair][kWideSteps][32][16]
  float* sums_ = nullptr;
  ChainArgs chain_;
  int64_t panel_bytes_ = 0;
  size_t unit_ = 0;  ///< where in the units and the tree the next step is
  int64_t unit_done_ = 0, depth_ = 0;
};

}  // namespace

void CpuBackend::linear_many_rows(const LinearArgs& args, const CpuPackedLinear& weight) {
  const RowBlocks passes(args.in.rows, kRowsAtOnce);
  for (int64_t pass = 0; pass < passes.count; ++pass) {
    const int64_t first = passes.begin(pass);
    const RowBlocks blocks(passes.size(pass), kernels_.tile_rows);
    const int64_t row_floats = weight.steps() * kStep;
    float* x = shared_.floats(blocks.rows * row_floats);
    pool_.run([&](int thread, int threads) {
      const Share share = share_of(blocks.count, thread, threads);
      for (int64_t b = share.begin; b < share.end; ++b) {
        widen_block(kernels_, args.in, first + blocks.begin(b), blocks.size(b),
                    x + blocks.begin(b) * row_floats);
      }
    });
    pool_.run([&](int thread, int threads) {
      const Share share = share_of(weight.groups(), thread, threads);
      float* scratch =
          scratch_[static_cast<size_t>(thread)].floats(WideGroup::scratch_floats(weight, blocks));
      WideGroup wide(kernels_, args, weight, blocks, first);
      for (int64_t g = share.begin; g < share.end; ++g) wide.run(g, x, scratch);
    });
  }
}

void CpuBackend::linear(const LinearArgs& args) {
  const auto& weight = static_cast<const CpuPackedLinear&>(*args.weight);
  check_args(args, weight.gate_up());
  if (args.in.rows == 0 || weight.out_features() == 0) return;
  macs_ += args.in.rows * weight.out_features() * weight.k();
  if (tiles_serve(kernels_, args, weight)) {
    linear_tiles(args, weight);
  } else if (args.in.rows <= kFewRows) {
    linear_few_rows(args, weight);
  } else {
    linear_many_rows(args, weight);
  }
}

}  // namespace tandem::cpu
