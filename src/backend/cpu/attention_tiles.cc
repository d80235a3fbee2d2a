// Attention through a matrix unit: the rows of a task in row tiles of sixteen, against a page's
// tiles where they lie. Softmax is that of the other path, so only the chains differ in how they
// are made, not in their bits.
#include <algorithm>
#include <cstring>

#include "backend/cpu/attention_task.h"

namespace tandem::cpu {
namespace {

constexpr int64_t kLine = kStep * 2;  ///< bytes of a row of a row tile

/// Line of (row, step) in row tiles of `steps` steps.
std::byte* tile_line(std::byte* tiles, int64_t row, int64_t step, int64_t steps) {
  return tiles + (row / kTileRows * steps + step) * kRowTileBytes + row % kTileRows * kLine;
}

/// Row tiles times all panels of one half of a page, which lie panel by panel.
struct HalfPage {
  const std::byte* rows = nullptr;
  int row_tiles = 1;
  const std::byte* w = nullptr;
  int64_t steps = 0, panels = 0;
  float* c = nullptr;
  int64_t ldc = 0;
  bool fresh = true;  ///< sums start from +0, not from c
};

void multiply(const TileKernels& tiles, const HalfPage& half) {
  const TileRun run{half.steps, half.fresh, 0};
  TileArgs t;
  t.a = half.rows;
  t.a_bytes = half.steps * kRowTileBytes;
  t.row_tiles = half.row_tiles;
  t.step_bytes = kStep * kPanel * 2;
  t.panel_bytes = half.steps * t.step_bytes;
  t.runs = &run;
  t.run_count = 1;
  t.depth = half.fresh ? 0 : 1;
  t.ldc = half.ldc;
  const int64_t most = half.row_tiles == 2 ? 2 : 4;
  for (int64_t p = 0; p < half.panels; p += most) {
    t.panels = static_cast<int>(std::min(most, half.panels - p));
    t.w = half.w + p * t.panel_bytes;
    t.stack = half.c + p * kPanel;
    tiles.block(t);
  }
}

}  // namespace

AttentionRunner::Tiles::Tiles(const TileKernels& kernels, int64_t rows, int64_t width)
    : in_use(kernels), row_tiles(ceil_div(rows, kTileRows)), steps(width / kStep) {}

int64_t AttentionRunner::Tiles::scratch_floats() const {
  return row_tiles * (steps + 2) * kRowTileBytes / 4 + row_tiles * kTileRows * kKeyBlock +
         kTileRows * steps * kStep;
}

void AttentionRunner::Tiles::take(float* at) {
  queries = reinterpret_cast<std::byte*>(at), at += row_tiles * steps * kRowTileBytes / 4;
  weights = reinterpret_cast<std::byte*>(at), at += row_tiles * 2 * kRowTileBytes / 4;
  scores = at, at += row_tiles * kTileRows * kKeyBlock;
  acc = at;
}

void AttentionRunner::load_query_tiles(const Rows& r) {
  for (int64_t i = 0; i < round_up(r.rows, kTileRows); ++i) {
    const std::byte* from = i < r.rows ? row_at(args_.q, r.task, r.begin + i) : nullptr;
    for (int64_t s = 0; s < steps_; ++s) {
      std::byte* to = tile_line(tiles_->queries, i, s, steps_);
      if (from != nullptr) {
        std::memcpy(to, from + s * kLine, kLine);
      } else {
        std::memset(to, 0, kLine);
      }
    }
  }
}

/// All rows over one page. Those without a visible key in it keep their state.
void AttentionRunner::page_by_tiles(const Rows& r, const Page& page) {
  int begin = 0, end = 0, longest = 0;
  int64_t from = 0, to = r.rows;
  while (from < to && !visible(r, from, page.block, begin, end)) ++from;
  while (to > from && !visible(r, to - 1, page.block, begin, longest)) --to;
  if (from == to) return;
  const int64_t first = from / kTileRows, last = ceil_div(to, kTileRows);

  HalfPage keys;
  keys.w = page.keys;
  keys.steps = steps_;
  keys.panels = ceil_div(longest, kPanel);
  keys.ldc = kKeyBlock;
  for (int64_t t = first; t < last; t += 2) {
    keys.row_tiles = last - t >= 2 ? 2 : 1;
    keys.rows = tile_line(tiles_->queries, t * kTileRows, 0, steps_);
    keys.c = tiles_->scores + t * kTileRows * kKeyBlock;
    multiply(*kernels_.tiles, keys);
  }
  for (int64_t i = first * kTileRows; i < last * kTileRows; ++i) {
    std::byte* low = tile_line(tiles_->weights, i, 0, 2);
    if (i >= from && i < to) {
      softmax_to_tile(r, page, i, low);
    } else {
      std::memset(low, 0, kLine);
      std::memset(low + kRowTileBytes, 0, kLine);
    }
  }
  add_values(page, from, to);
}

/// Probabilities of row i as lines of a row tile; its accumulator is multiplied by exp(old max -
/// new max).
void AttentionRunner::softmax_to_tile(const Rows& r, const Page& page, int64_t i, std::byte* low) {
  float alpha = 1;
  SoftmaxArgs s;
  visible(r, i, page.block, s.begin, s.end);
  s.s = tiles_->scores + i * kKeyBlock;
  s.scale = args_.scale;
  s.type = p_type_;
  s.p = p_;
  s.p_half = kStep;
  s.max = max_ + i;
  s.sum = sum_ + i;
  s.alpha = &alpha;
  kernels_.softmax(s);
  kernels_.narrow(DType::kBF16, p_, kStep, low);  // exact: they are rounded already
  kernels_.narrow(DType::kBF16, p_ + kStep, kStep, low + kRowTileBytes);
  if (alpha != 1) kernels_.tiles->scale(acc_ + i * width_, width_, alpha);
}

/// p.v of rows [from, to). A row tile with other rows goes through a copy, so that these keep their
/// bits: adding a product of zeros would turn -0 into +0.
void AttentionRunner::add_values(const Page& page, int64_t from, int64_t to) {
  HalfPage values;
  values.w = page.values;
  values.steps = kKeyBlock / kStep;
  values.panels = width_ / kPanel;
  values.ldc = width_;
  values.fresh = false;
  const auto whole = [&](int64_t t) { return t * kTileRows >= from && (t + 1) * kTileRows <= to; };
  for (int64_t t = from / kTileRows; t * kTileRows < to; t += values.row_tiles) {
    values.row_tiles = whole(t) && whole(t + 1) ? 2 : 1;
    values.rows = tile_line(tiles_->weights, t * kTileRows, 0, 2);
    values.c = acc_ + t * kTileRows * width_;
    if (whole(t)) {
      multiply(*kernels_.tiles, values);
      continue;
    }
    const int64_t begin = std::max(from, t * kTileRows),
                  rows = std::min(to, (t + 1) * kTileRows) - begin;
    float* copy = tiles_->acc + (begin - t * kTileRows) * width_;
    std::memset(tiles_->acc, 0, static_cast<size_t>(kTileRows * width_) * sizeof(float));
    std::copy_n(acc_ + begin * width_, rows * width_, copy);
    values.c = tiles_->acc;
    multiply(*kernels_.tiles, values);
    std::copy_n(copy, rows * width_, acc_ + begin * width_);
  }
}

}  // namespace tandem::cpu
