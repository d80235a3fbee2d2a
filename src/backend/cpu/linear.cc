// Linear layers. Few rows: the weights stream once through `chain`, a group of panels at a time.
// More rows: in blocks, with pieces of a group's weights hot in the L1 cache while all blocks of
// rows use them. Either way an output's float32 chain restarts at every unit and the units' sums
// are added in the tree's order.
#include <algorithm>
#include <atomic>

#include "backend/checks.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/linear_blocks.h"
#include "backend/cpu/pairs.h"

namespace tandem::cpu {
namespace {

constexpr int64_t kOwnRows = 32;        ///< up to here every thread arranges all rows for itself
constexpr int64_t kPieceFloats = 4096;  ///< weights of a piece: 16 KiB as float32, half of L1
constexpr int64_t kSumRows = 1024;      ///< rows x sums on the stack, of a group: 256 KiB, in L2
constexpr int64_t kRowsAtOnce = 512;    ///< rows whose activations stay in L3

/// The loops that serve a product, and how they read its rows.
struct Loops {
  const Kernels& kernels;
  const PairKernels* pairs = nullptr;  ///< for woven weights and rows of bfloat16
  int64_t words = kStep;               ///< of x for a row and step
  int max_rows = 0, tile_rows = 0;     ///< that `chain` (0: there is none) and `wide` take at once
  void (*chain)(const ChainArgs&) = nullptr;
  void (*wide)(const ChainArgs&, int64_t panel_bytes) = nullptr;
  /// What makes the float32 tiles that `wide` reads; nullptr: it reads the weights as they lie.
  void (*expand)(const std::byte*, int64_t, int64_t, float*) = nullptr;

  Loops(const Kernels& k, DType in, const CpuPackedLinear& weight)
      : kernels(k), tile_rows(k.tile_rows), wide(k.chain_wide) {
    const int type = type_index(weight.type());
    if (weight.woven()) {
      if (in == DType::kBF16) {
        use(*k.pairs);
      } else {
        expand = k.pairs->expand;
      }
      return;
    }
    max_rows = k.max_rows;
    chain = k.chain[type];
    if (weight.type() == DType::kBF16 && k.chain_wide_bf16 != nullptr) {
      wide = k.chain_wide_bf16;
    } else {
      expand = k.expand[type];
    }
  }
  void use(const PairKernels& p) {
    pairs = &p;
    words = kStep / 2;
    max_rows = p.max_rows;
    tile_rows = p.tile_rows;
    chain = p.chain;
    wide = p.chain_wide;
  }

  /// x[step][row of the block][words] of one block.
  void arrange(const Matrix& in, int64_t row, int rows, float* x) const {
    const int64_t steps = in.cols / kStep;
    for (int r = 0; r < rows; ++r) {
      const std::byte* from = row_of(in, row + r);
      if (pairs != nullptr) {
        pairs->arrange(from, steps, x + r * words, rows * words);
        continue;
      }
      for (int64_t s = 0; s < steps; ++s) {
        kernels.widen(in.dtype, from + s * kStep * dtype_bytes(in.dtype), kStep,
                      x + (s * rows + r) * kStep);
      }
    }
  }
};

/// The product of one group of panels with a set of row blocks. The sums of a block of rows lie
/// together: [block][level of the tree][rows of the block][64].
class BlockedGroup {
 public:
  BlockedGroup(const Loops& loops, const LinearArgs& args, const CpuPackedLinear& weight,
               const RowBlocks& blocks, int64_t first_row)
      : loops_(loops), args_(args), weight_(weight), blocks_(blocks), first_row_(first_row) {}

  static int64_t scratch_floats(const CpuPackedLinear& weight, const RowBlocks& blocks) {
    return kPieceFloats + blocks.rows * kGroupFloats * weight.tree_depth();
  }

  void run(int64_t group, const float* x, float* scratch) {
    panels_ = weight_.group_panels(group);
    x_ = x;
    wide_ = scratch;
    sums_ = scratch + kPieceFloats;
    const int64_t step_bytes = panels_ * weight_.tile_bytes();
    const int64_t element = loops_.expand == nullptr ? dtype_bytes(weight_.type()) : 4;
    const int64_t piece = kPieceFloats * 4 / element / (kStep * kGroupFloats);
    State now;
    for (int64_t step = 0; step < weight_.steps(); step += piece) {
      const int64_t n = std::min(piece, weight_.steps() - step);
      const std::byte* w = weight_.group(group) + step * step_bytes;
      load(w, n);
      const State before = now;
      for (int64_t b = 0; b < blocks_.count; ++b) {
        now = before;
        args_of_piece_.next_w_bytes = n * step_bytes / blocks_.count;
        args_of_piece_.next_w = w + n * step_bytes + b * args_of_piece_.next_w_bytes;
        block_steps(now, b, step, n);
      }
    }
    finish(group, now.depth);
  }

 private:
  /// Where in the units and the tree the next step is.
  struct State {
    size_t unit = 0;
    int64_t unit_done = 0, depth = 0;
  };

  /// The tiles of n steps as the kernel reads them: where they lie, or widened.
  void load(const std::byte* w, int64_t n) {
    ChainArgs& c = args_of_piece_;
    c.panels = static_cast<int>(panels_);
    c.ldc = kGroupFloats;
    c.w = w;
    panel_bytes_ = weight_.tile_bytes();
    if (loops_.expand != nullptr) {
      loops_.expand(w, panel_bytes_, n * panels_, wide_);
      c.w = reinterpret_cast<const std::byte*>(wide_);
      panel_bytes_ = kStep * kPanel * 4;
    }
    c.step_bytes = panels_ * panel_bytes_;
  }

  float* sums(int64_t block) const {
    return sums_ + blocks_.begin(block) * kGroupFloats * weight_.tree_depth();
  }

  /// Continues one block's chains over steps [step, step + n), through units and tree.
  void block_steps(State& now, int64_t block, int64_t step, int64_t n) const {
    ChainArgs c = args_of_piece_;
    c.rows = blocks_.size(block);
    c.level = c.rows * kGroupFloats;
    float* stack = sums(block);
    const int64_t words = loops_.words;
    const float* x = x_ + blocks_.begin(block) * weight_.steps() * words;
    for (int64_t done = 0; done < n; done += c.steps) {
      c.fresh = now.unit_done == 0;
      if (c.fresh) ++now.depth;
      const int64_t left = weight_.unit_steps()[now.unit] - now.unit_done;
      c.steps = std::min(left, n - done);
      c.merges = c.steps == left ? weight_.tree().merges[now.unit] : 0;
      c.x = x + (step + done) * c.rows * words;
      if (block + 1 < blocks_.count) {
        const int rows = blocks_.size(block + 1);
        c.next_x = x + (c.rows * weight_.steps() + (step + done) * rows) * words;
      }
      c.w = args_of_piece_.w + done * c.step_bytes;
      c.c = stack + (now.depth - 1) * c.level;
      loops_.wide(c, panel_bytes_);
      c.next_w_bytes = 0;
      now.unit_done += c.steps;
      if (c.steps < left) continue;
      now.depth -= c.merges;
      ++now.unit;
      now.unit_done = 0;
    }
  }

  void finish(int64_t group, int64_t depth) const {
    const Finish finish{loops_.kernels, weight_};
    for (int64_t b = 0; b < blocks_.count; ++b) {
      const int rows = blocks_.size(b);
      for (int64_t i = 0; i < depth; ++i) {
        finish.panels(args_.outs[static_cast<size_t>(i)], sums(b) + i * rows * kGroupFloats,
                      kGroupFloats, group * kGroup, panels_, first_row_ + blocks_.begin(b), rows);
      }
    }
  }

  const Loops& loops_;
  const LinearArgs& args_;
  const CpuPackedLinear& weight_;
  const RowBlocks& blocks_;
  int64_t first_row_;
  int64_t panels_ = 0;
  const float* x_ = nullptr;
  float* wide_ = nullptr;  ///< [step][panel][32][16]
  float* sums_ = nullptr;
  ChainArgs args_of_piece_;
  int64_t panel_bytes_ = 0;
};

/// Rows in one pass: the deeper the tree, the fewer, so that all sums stay in L2.
int64_t rows_at_once(const CpuPackedLinear& weight, int64_t tile_rows) {
  const int64_t rows = std::min(kRowsAtOnce, kSumRows / weight.tree_depth());
  return std::max(rows / tile_rows, int64_t{1}) * tile_rows;
}

}  // namespace

void CpuBackend::linear_few_rows(const LinearArgs& args, const CpuPackedLinear& weight) {
  const int64_t rows = args.in.rows, steps = weight.steps();
  const Loops loops(kernels_, args.in.dtype, weight);
  const int64_t level = rows * kGroupFloats;
  pool_.run([&](int thread, int threads) {
    const Share share = share_of(weight.groups(), thread, threads);
    if (share.begin == share.end) return;
    float* x = scratch_[static_cast<size_t>(thread)].floats(rows * steps * loops.words +
                                                            weight.tree_depth() * level);
    float* sums = x + rows * steps * loops.words;
    loops.arrange(args.in, 0, static_cast<int>(rows), x);
    ChainArgs c;
    c.ldc = kGroupFloats;
    c.rows = static_cast<int>(rows);
    c.fresh = true;
    c.level = level;
    for (int64_t g = share.begin; g < share.end; ++g) {
      c.panels = static_cast<int>(weight.group_panels(g));
      c.step_bytes = c.panels * weight.tile_bytes();
      c.w = weight.group(g);
      c.x = x;
      int64_t depth = 0;
      for (size_t u = 0; u < weight.unit_steps().size(); ++u) {
        c.c = sums + depth++ * level;
        c.steps = weight.unit_steps()[u];
        c.merges = weight.tree().merges[u];
        loops.chain(c);
        c.w += c.steps * c.step_bytes;
        c.x += c.steps * rows * loops.words;
        depth -= c.merges;
      }
      const Finish finish{kernels_, weight};
      for (int64_t i = 0; i < depth; ++i) {
        finish.panels(args.outs[static_cast<size_t>(i)], sums + i * level, kGroupFloats, g * kGroup,
                      c.panels, 0, static_cast<int>(rows));
      }
    }
  });
}

void CpuBackend::linear_many_rows(const LinearArgs& args, const CpuPackedLinear& weight) {
  const Loops loops(kernels_, args.in.dtype, weight);
  const RowBlocks passes(args.in.rows, rows_at_once(weight, loops.tile_rows));
  const int64_t row_floats = weight.steps() * loops.words;
  for (int64_t pass = 0; pass < passes.count; ++pass) {
    const int64_t first = passes.begin(pass);
    const RowBlocks blocks(passes.size(pass), loops.tile_rows);
    const bool own = blocks.rows <= kOwnRows;
    const auto arrange = [&](Share share, float* x) {
      for (int64_t b = share.begin; b < share.end; ++b) {
        loops.arrange(args.in, first + blocks.begin(b), blocks.size(b),
                      x + blocks.begin(b) * row_floats);
      }
    };
    float* shared = nullptr;
    if (!own) {
      shared = shared_.floats(blocks.rows * row_floats);
      pool_.run([&](int thread, int threads) {
        arrange(share_of(blocks.count, thread, threads), shared);
      });
    }
    std::atomic<int64_t> next = 0;
    pool_.run([&](int thread, int threads) {
      const int64_t needed = BlockedGroup::scratch_floats(weight, blocks);
      float* scratch = scratch_[static_cast<size_t>(thread)].floats(
          needed + (own ? blocks.rows * row_floats : 0));
      BlockedGroup blocked(loops, args, weight, blocks, first);
      if (own) {  // the weights matter: each core meets the same ones again
        const Share share = share_of(weight.groups(), thread, threads);
        if (share.begin == share.end) return;
        arrange({0, blocks.count}, scratch + needed);
        for (int64_t g = share.begin; g < share.end; ++g) blocked.run(g, scratch + needed, scratch);
      } else {  // the products matter: whoever is free takes the next group
        for (int64_t g; (g = next.fetch_add(1, std::memory_order_relaxed)) < weight.groups();) {
          blocked.run(g, shared, scratch);
        }
      }
    });
  }
}

void CpuBackend::linear(const LinearArgs& args) {
  const auto& any = static_cast<const CpuLinear&>(*args.weight);
  check_args(args, any.gate_up());
  if (args.in.rows == 0 || any.out_features() == 0) return;
  macs_ += args.in.rows * any.out_features() * any.k();
  if (any.quantized()) {
    return linear_quantized(args, static_cast<const CpuQuantizedLinear&>(any));
  }
  const auto& weight = static_cast<const CpuPackedLinear&>(any);
  if (tiles_serve(kernels_, args, weight)) {
    linear_tiles(args, weight);
  } else if (args.in.rows <= Loops(kernels_, args.in.dtype, weight).max_rows) {
    linear_few_rows(args, weight);
  } else {
    linear_many_rows(args, weight);
  }
}

}  // namespace tandem::cpu
