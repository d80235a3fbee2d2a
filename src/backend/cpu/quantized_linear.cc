// Linear layers over quantized weights: rows are quantized once, then blocks of rows go one after
// another through each group of panels. The first block streams the group from memory, the others
// find it in the cache. An output's float32 chain restarts at every unit; the units' sums are added
// in the tree's order.
#include <algorithm>

#include "backend/checks.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/linear_blocks.h"
#include "backend/cpu/packed_quantized.h"

namespace tandem::cpu {
namespace {

constexpr int64_t kRowsAtOnce = 512;  ///< rows whose quantized values stay in L2 and L3
constexpr int64_t kOwnRows = 8;       ///< up to here each thread quantizes all rows for itself
constexpr int64_t kStepFloats = 10;   ///< of a row and step: 32 codes, scale, sum

/// The quantized rows of one block: [steps][rows][32], then scales and sums [steps][rows].
struct Quantized {
  int8_t* q;
  float* scale;
  int32_t* sum;
  Quantized(float* memory, int64_t steps, int rows)
      : q(reinterpret_cast<int8_t*>(memory)),
        scale(memory + steps * rows * 8),
        sum(reinterpret_cast<int32_t*>(scale + steps * rows)) {}
};

class Rows {
 public:
  Rows(const QuantKernels& kernels, const LinearArgs& args, const RowBlocks& blocks, int64_t first)
      : kernels_(kernels), in_(args.in), blocks_(blocks), first_(first), steps_(in_.cols / kStep) {}

  static int64_t floats(int64_t rows, int64_t steps) { return rows * steps * kStepFloats; }
  Quantized block(float* memory, int64_t b) const {
    return {memory + floats(blocks_.begin(b), steps_), steps_, blocks_.size(b)};
  }
  void quantize(float* memory, int64_t b) const {
    const Quantized to = block(memory, b);
    for (int r = 0; r < blocks_.size(b); ++r) {
      QuantizeArgs a;
      a.type = in_.dtype;
      a.from = row_of(in_, first_ + blocks_.begin(b) + r);
      a.steps = steps_;
      a.rows = blocks_.size(b);
      a.q = to.q + r * kStep;
      a.scale = to.scale + r;
      a.sum = to.sum + r;
      kernels_.quantize(a);
    }
  }

 private:
  const QuantKernels& kernels_;
  const Matrix& in_;
  const RowBlocks& blocks_;
  int64_t first_;
  int64_t steps_;
};

/// One group of panels and one block of rows, through units and tree. Returns the number of sums,
/// which lie at sums + i * rows * kGroupFloats.
int64_t multiply(const CpuQuantizedLinear& weight, QuantChainArgs c,
                 void (*chain)(const QuantChainArgs&), float* sums) {
  c.ldc = kGroupFloats;
  c.level = c.rows * kGroupFloats;
  c.fresh = true;
  int64_t depth = 0;
  for (size_t u = 0; u < weight.unit_steps().size(); ++u) {
    c.steps = weight.unit_steps()[u];
    c.merges = weight.tree().merges[u];
    c.c = sums + depth * c.level;
    chain(c);
    depth += 1 - c.merges;
    c.w += c.steps * c.step_bytes;
    c.q += c.steps * c.rows * kStep;
    c.scale += c.steps * c.rows;
    c.sum += c.steps * c.rows;
  }
  return depth;
}

}  // namespace

void CpuBackend::linear_quantized(const LinearArgs& args, const CpuQuantizedLinear& weight) {
  const int64_t steps = weight.steps();
  const QuantTileKernels* tiles = kernels_.quant_tiles;
  const bool by_tiles = tiles != nullptr && args.in.rows >= tiles->least_rows;
  const int most = by_tiles ? QuantTileKernels::kRows : quant_kernels_.max_rows;
  const auto chain =
      (by_tiles ? tiles->chain : quant_kernels_.chain)[static_cast<int>(weight.format())];
  const RowBlocks passes(args.in.rows, kRowsAtOnce);
  for (int64_t pass = 0; pass < passes.count; ++pass) {
    const int64_t first = passes.begin(pass);
    const RowBlocks blocks(passes.size(pass), most);
    const Rows rows(quant_kernels_, args, blocks, first);
    const int64_t quantized = Rows::floats(blocks.rows, steps);
    const bool own = blocks.rows <= kOwnRows;
    float* shared = own ? nullptr : shared_.floats(quantized);
    if (!own) {
      pool_.run([&](int thread, int threads) {
        const Share share = share_of(blocks.count, thread, threads);
        for (int64_t b = share.begin; b < share.end; ++b) rows.quantize(shared, b);
      });
    }
    pool_.run([&](int thread, int threads) {
      const Share share = share_of(weight.groups(), thread, threads);
      if (share.begin == share.end) return;
      const int64_t level = most * kGroupFloats;
      float* memory = scratch_[static_cast<size_t>(thread)].floats(level * weight.tree_depth() +
                                                                   (own ? quantized : 0));
      float* x = own ? memory + level * weight.tree_depth() : shared;
      for (int64_t b = 0; own && b < blocks.count; ++b) rows.quantize(x, b);
      const Finish finish{kernels_, weight};
      for (int64_t g = share.begin; g < share.end; ++g) {
        QuantChainArgs c;
        c.panels = static_cast<int>(weight.group_panels(g));
        c.w = weight.group(g);
        c.step_bytes = weight.step_bytes(g);
        for (int64_t b = 0; b < blocks.count; ++b) {
          const Quantized block = rows.block(x, b);
          c.q = block.q;
          c.scale = block.scale;
          c.sum = block.sum;
          c.rows = blocks.size(b);
          c.stream = b == 0;
          const int64_t depth = multiply(weight, c, chain, memory);
          for (int64_t i = 0; i < depth; ++i) {
            finish.panels(args.outs[static_cast<size_t>(i)], memory + i * c.rows * kGroupFloats,
                          kGroupFloats, g * kGroup, c.panels, first + blocks.begin(b), c.rows);
          }
        }
      }
    });
  }
}

}  // namespace tandem::cpu
