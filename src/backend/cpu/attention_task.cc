#include "backend/cpu/attention_task.h"

#include <algorithm>

#include "backend/cpu/pairs.h"

namespace tandem::cpu {

AttentionRunner::AttentionRunner(const Kernels& kernels, const AttentionArgs& args,
                                 Scratch& scratch)
    : kernels_(kernels),
      args_(args),
      cache_(static_cast<const CpuKvCache&>(*args.cache)),
      steps_(cache_.steps()),
      width_(steps_ * kStep),
      p_type_(cache_.spec().dtype == DType::kI8 && args.q.dtype == DType::kF16 ? DType::kF32
                                                                               : args.q.dtype) {
  const int64_t rows = attention_task_rows(kernels), at_once = kernels.page_rows;
  const int64_t page = 2 * kKeyBlock * width_;
  if (kernels.tiles != nullptr && cache_.spec().dtype == DType::kBF16 &&
      args.q.dtype == DType::kBF16) {
    tiles_.emplace(*kernels.tiles, rows, width_);
  }
  const int64_t floats = page + 2 * rows * width_ + 2 * at_once * kKeyBlock + 3 * rows;
  float* at = scratch.floats(floats + (tiles_ ? tiles_->scratch_floats() : 0));
  if (tiles_) tiles_->take(at), at += tiles_->scratch_floats();
  expanded_ = at, at += page;
  q_ = at, at += rows * width_;
  acc_ = at, at += rows * width_;
  scores_ = at, at += at_once * kKeyBlock;
  p_ = at, at += at_once * kKeyBlock;
  alpha_ = at, at += rows;
  max_ = at, at += rows;
  sum_ = at;
}

void AttentionRunner::run(const AttentionTask& task) {
  const int64_t rows = task.tokens * task.segment.q_count, most = attention_task_rows(kernels_);
  for (int64_t begin = 0; begin < rows; begin += most) {
    const int64_t n = std::min(most, rows - begin);
    run_rows({task, begin, n, pairs_for(n)});
  }
}

/// Integers are exact in bfloat16, but weaving a page of them is work of its own.
const PairKernels* AttentionRunner::pairs_for(int64_t rows) const {
  constexpr int64_t kWorthWeaving = 4;
  if (args_.q.dtype != DType::kBF16) return nullptr;
  if (cache_.spec().dtype == DType::kI8 && rows >= kWorthWeaving) return kernels_.pairs;
  return cache_.woven() ? kernels_.pairs : nullptr;
}

std::byte* AttentionRunner::row_at(const Matrix& m, const AttentionTask& t, int64_t row) const {
  const int64_t head = t.segment.q_begin + row % t.segment.q_count;
  return row_of(m, t.chunk->row_begin + token_of(t, row)) + head * width_ * dtype_bytes(m.dtype);
}

/// Keys [begin, end) of the block that a row sees; false: none.
bool AttentionRunner::visible(const Rows& r, int64_t row, int64_t block, int& begin,
                              int& end) const {
  const int64_t position = position_of(r.task, r.begin + row), key0 = block * kKeyBlock;
  begin = static_cast<int>(std::clamp<int64_t>(first_key(position) - key0, 0, kKeyBlock));
  end = static_cast<int>(std::clamp<int64_t>(position + 1 - key0, 0, kKeyBlock));
  return begin < end;
}

void AttentionRunner::load_queries(const Rows& r) {
  const int64_t most = kernels_.page_rows, step = kStep * dtype_bytes(args_.q.dtype);
  for (int64_t at = 0; at < r.rows; at += most) {
    const int64_t n = std::min(most, r.rows - at);
    for (int64_t i = 0; i < n; ++i) {
      const std::byte* from = row_at(args_.q, r.task, r.begin + at + i);
      float* to = q_ + at * width_ + i * r.words();
      if (r.pairs != nullptr) {
        r.pairs->arrange(from, steps_, to, n * r.words());
        continue;
      }
      for (int64_t s = 0; s < steps_; ++s) {
        kernels_.widen(args_.q.dtype, from + s * step, kStep, to + s * n * kStep);
      }
    }
  }
}

void AttentionRunner::run_rows(const Rows& r) {
  const bool by_tiles = tiles_ && r.rows >= kernels_.tiles->least_rows;
  by_tiles ? load_query_tiles(r) : load_queries(r);
  std::fill_n(acc_, r.rows * width_, 0.0f);
  std::fill_n(sum_, r.rows, 0.0f);
  std::fill_n(max_, r.rows, -__builtin_inff());
  const int64_t most = kernels_.page_rows;
  const int64_t first = first_key(position_of(r.task, r.begin)) / kKeyBlock;
  const int64_t last = position_of(r.task, r.begin + r.rows - 1) / kKeyBlock;
  for (int64_t block = first; block <= last; ++block) {
    Page page = page_at(r, block, last);
    if (by_tiles) {
      page_by_tiles(r, page);
      continue;
    }
    expand(r, page);
    for (int64_t at = 0; at < r.rows; at += most) group(r, page, at, std::min(most, r.rows - at));
  }
  for (int64_t row = 0; row < r.rows; ++row) {
    kernels_.divide(acc_ + row * width_, sum_[row], args_.head_dim, args_.out.dtype,
                    row_at(args_.out, r.task, r.begin + row));
  }
}

AttentionRunner::Page AttentionRunner::page_at(const Rows& r, int64_t block, int64_t last) const {
  const auto keys = [&](int64_t b) {
    return cache_.keys(args_.layer, r.task.chunk->blocks[static_cast<size_t>(b)],
                       r.task.segment.kv_head);
  };
  Page page;
  page.block = block;
  page.type = cache_.spec().dtype;
  page.keys = keys(block);
  page.values = page.keys + cache_.half_bytes();
  page.scales = cache_.scales(page.keys);
  page.ahead_of_keys = page.values;
  if (block < last) page.ahead_of_values = keys(block + 1);
  return page;
}

/// Widens a page to float32 for several groups of rows, or for rows of another type than that of
/// a woven page; weaves one of integers for products in pairs.
void AttentionRunner::expand(const Rows& r, Page& page) {
  const bool several = r.rows > kernels_.page_rows, integers = page.type == DType::kI8;
  const std::byte* next = page.ahead_of_values;
  if (several) page.ahead_of_keys = page.ahead_of_values = nullptr;  // it stays in the cache
  if (r.pairs != nullptr ? !integers : !several && !cache_.woven()) return;
  if (page.type == DType::kF32) return;
  const int64_t tiles = 2 * cache_.half_bytes() / cache_.tile_bytes();
  auto* out = reinterpret_cast<std::byte*>(expanded_);
  page.ahead_of_keys = page.ahead_of_values = nullptr;
  page.type = DType::kF32;
  if (r.pairs != nullptr) {
    r.pairs->weave_int8(page.keys, tiles, out);
    page.type = DType::kBF16;
    page.ahead_of_keys = next;  // both halves of integers are as long as one that is woven
  } else if (cache_.woven()) {
    kernels_.pairs->expand(page.keys, cache_.tile_bytes(), tiles, expanded_);
  } else {
    kernels_.expand_page[page_index(cache_.spec().dtype)](page.keys, tiles, expanded_);
  }
  page.keys = out;
  page.values = out + kKeyBlock * width_ * dtype_bytes(page.type);
}

/// Rows [at, at + n) over one page. Those without a visible key in it keep their state; rows are in
/// order of position, so that the others are one run.
void AttentionRunner::group(const Rows& r, const Page& page, int64_t at, int64_t n) {
  int begin = 0, end = 0, longest = 0;
  int64_t from = 0, to = n;
  while (from < to && !visible(r, at + from, page.block, begin, end)) ++from;
  while (to > from && !visible(r, at + to - 1, page.block, begin, longest)) --to;
  if (from == to) return;
  const auto chains = r.pairs != nullptr ? r.pairs->page : kernels_.page[page_index(page.type)];
  const auto softmax = r.pairs != nullptr ? r.pairs->softmax : kernels_.softmax;

  PageArgs k;
  k.x = q_ + at * width_;
  k.w = page.keys;
  k.steps = steps_;
  k.rows = static_cast<int>(n);
  k.panels = static_cast<int>(ceil_div(longest, kPanel));
  k.c = scores_;
  k.ldc = kKeyBlock;
  k.ahead = page.ahead_of_keys;
  chains(k);

  const int64_t run = to - from;
  for (int64_t i = from; i < to; ++i) {
    SoftmaxArgs s;
    visible(r, at + i, page.block, s.begin, s.end);
    s.s = scores_ + i * kKeyBlock;
    s.key_scales = page.scales;
    s.value_scales = page.scales == nullptr ? nullptr : page.scales + kKeyBlock;
    s.scale = args_.scale;
    s.type = p_type_;
    s.p = p_ + (i - from) * r.words();
    s.p_half = run * r.words();
    s.max = max_ + at + i;
    s.sum = sum_ + at + i;
    s.alpha = alpha_ + i;
    softmax(s);
  }

  PageArgs v;
  v.x = p_;
  v.w = page.values;
  v.steps = kKeyBlock / kStep;
  v.rows = static_cast<int>(run);
  v.panels = static_cast<int>(width_ / kPanel);
  v.c = acc_ + (at + from) * width_;
  v.ldc = width_;
  v.alpha = alpha_ + from;
  v.ahead = page.ahead_of_values;
  chains(v);
}

}  // namespace tandem::cpu
