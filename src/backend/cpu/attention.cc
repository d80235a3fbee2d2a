// Softmax attention over paged keys and values, and their writing. Keys are walked in pages of 64
// counted from position 0; q.k and p.v are chains over tiles like those of linear layers.
#include <algorithm>
#include <atomic>

#include "backend/checks.h"
#include "backend/cpu/for_each.h"
#include "base/check.h"

namespace tandem::cpu {
namespace {

/// Query rows that one task takes: consecutive (token, head) pairs, heads fastest, of one segment.
struct Task {
  const SequenceChunk* chunk = nullptr;
  HeadSegment segment;
  int64_t first_token = 0, tokens = 0;  ///< in the chunk
};

constexpr int64_t kTaskRows = 64;

class TaskRunner {
 public:
  TaskRunner(const Kernels& kernels, const AttentionArgs& args, Scratch& scratch)
      : kernels_(kernels),
        args_(args),
        cache_(static_cast<const CpuKvCache&>(*args.cache)),
        steps_(cache_.steps()),
        width_(steps_ * kStep) {
    const int64_t rows = kTaskRows + kernels.max_rows;
    float* at = scratch.floats(rows * (2 * width_ + 2) + kernels.max_rows * (kKeyBlock * 2) + 64);
    q_ = at, at += rows * width_;
    acc_ = at, at += rows * width_;
    scores_ = at, at += kernels.max_rows * kKeyBlock;
    p_ = at, at += kernels.max_rows * kKeyBlock;
    max_ = at, at += rows;
    sum_ = at;
  }

  void run(const Task& task) {
    const int64_t rows = task.tokens * task.segment.q_count;
    for (int64_t begin = 0; begin < rows; begin += kTaskRows) {
      run_rows(task, begin, std::min(kTaskRows, rows - begin));
    }
  }

 private:
  int64_t token_of(const Task& t, int64_t row) const {
    return t.first_token + row / t.segment.q_count;
  }
  int64_t position_of(const Task& t, int64_t row) const {
    return t.chunk->position + token_of(t, row);
  }
  int64_t first_key(int64_t position) const {
    return args_.window > 0 ? std::max<int64_t>(0, position - args_.window + 1) : 0;
  }
  /// Column of a row's head in q and out.
  int64_t column_of(const Task& t, int64_t row) const {
    return (t.segment.q_begin + row % t.segment.q_count) * width_;
  }
  const std::byte* query(const Task& t, int64_t row) const {
    return row_of(args_.q, t.chunk->row_begin + token_of(t, row)) +
           column_of(t, row) * dtype_bytes(args_.q.dtype);
  }

  void run_rows(const Task& task, int64_t begin, int64_t rows) {
    const int64_t most = kernels_.max_rows;
    for (int64_t r = 0; r < rows; r += most) {
      const int64_t n = std::min(most, rows - r);
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t s = 0; s < steps_; ++s) {
          kernels_.widen(args_.q.dtype,
                         query(task, begin + r + i) + s * kStep * dtype_bytes(args_.q.dtype), kStep,
                         q_ + r * width_ + (s * n + i) * kStep);
        }
      }
    }
    std::fill_n(acc_, rows * width_, 0.0f);
    std::fill_n(sum_, rows, 0.0f);
    std::fill_n(max_, rows, -__builtin_inff());
    const int64_t first = first_key(position_of(task, begin)) / kKeyBlock;
    const int64_t last = position_of(task, begin + rows - 1) / kKeyBlock;
    for (int64_t block = first; block <= last; ++block) {
      for (int64_t r = 0; r < rows; r += most) {
        block_rows(task, block, begin + r, r, std::min(most, rows - r));
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = begin + r;
      std::byte* out = row_of(args_.out, task.chunk->row_begin + token_of(task, row)) +
                       column_of(task, row) * dtype_bytes(args_.out.dtype);
      kernels_.divide(acc_ + r * width_, sum_[r], args_.head_dim, args_.out.dtype, out);
    }
  }

  /// Rows [row, row + n) of the task, whose state lies at `at`, over one block of keys. Rows
  /// without a visible key in the block keep their state.
  void block_rows(const Task& task, int64_t block, int64_t row, int64_t at, int64_t n) {
    const int64_t key0 = block * kKeyBlock;
    const auto visible = [&](int64_t i, int& begin, int& end) {
      const int64_t position = position_of(task, row + i);
      begin = static_cast<int>(std::clamp<int64_t>(first_key(position) - key0, 0, kKeyBlock));
      end = static_cast<int>(std::clamp<int64_t>(position + 1 - key0, 0, kKeyBlock));
      return begin < end;
    };
    // Rows are in order of position: those that see the block are one run.
    int begin = 0, end = 0;
    int64_t from = 0, to = n;
    while (from < to && !visible(from, begin, end)) ++from;
    while (to > from && !visible(to - 1, begin, end)) --to;
    if (from == to) return;
    const int32_t page = task.chunk->blocks[static_cast<size_t>(block)];
    const std::byte* keys = cache_.keys(args_.layer, page, task.segment.kv_head);
    const auto chain = kernels_.chain[type_index(cache_.spec().dtype)];

    ChainArgs c;
    c.rows = static_cast<int>(n);
    c.x = q_ + at * width_;
    c.w = keys;
    c.panels = kKeyBlock / kPanel;
    c.step_bytes = c.panels * cache_.tile_bytes();
    c.steps = steps_;
    c.c = scores_;
    c.ldc = kKeyBlock;
    std::fill_n(scores_, n * kKeyBlock, 0.0f);
    chain(c);

    const int64_t run = to - from;
    for (int64_t i = from; i < to; ++i) {
      SoftmaxArgs s;
      visible(i, s.begin, s.end);
      s.s = scores_ + i * kKeyBlock;
      s.scale = args_.scale;
      s.type = args_.q.dtype;
      s.p = p_ + (i - from) * kStep;
      s.p_half = run * kStep;
      s.max = max_ + at + i;
      s.sum = sum_ + at + i;
      s.acc = acc_ + (at + i) * width_;
      s.acc_n = width_;
      kernels_.softmax(s);
    }

    c.rows = static_cast<int>(run);
    c.x = p_;
    c.w = keys + cache_.half_bytes();
    c.panels = static_cast<int>(width_ / kPanel);
    c.step_bytes = c.panels * cache_.tile_bytes();
    c.steps = kKeyBlock / kStep;
    c.c = acc_ + (at + from) * width_;
    c.ldc = width_;
    chain(c);
  }

  const Kernels& kernels_;
  const AttentionArgs& args_;
  const CpuKvCache& cache_;
  int64_t steps_;
  int64_t width_;  ///< head_dim rounded up to whole steps
  float* q_;       ///< by blocks of max_rows: [steps][rows][32]
  float* acc_;     ///< [row][width]
  float* scores_;  ///< [rows][64]
  float* p_;       ///< [2 steps][rows][32]
  float* max_;
  float* sum_;
};

/// Calls fn for task number [begin, end) of all; with begin == end only counts them. Long chunks
/// are cut into pieces of tokens, so that threads share them.
template <typename F>
int64_t visit_tasks(const AttentionArgs& args, F fn) {
  int64_t number = 0;
  for (const SequenceChunk& chunk : static_cast<const CpuBatch*>(args.batch)->chunks()) {
    for (const HeadSegment& segment : args.segments) {
      const int64_t piece = std::max<int64_t>(1, kTaskRows / std::max<int64_t>(1, segment.q_count));
      for (int64_t token = 0; token < chunk.rows; token += piece) {
        fn(number++, Task{&chunk, segment, token, std::min(piece, chunk.rows - token)});
      }
    }
  }
  return number;
}

/// Channels i and i + half of one head turned by the position's angles, all multiplied by the
/// table's last value.
void rotate(const float* in, const float* table, int64_t half, int64_t head_dim, float* out) {
  for (int64_t i = 0; i < half; ++i) {
    const float cos = table[i], sin = table[half + i];
    out[i] = in[i] * cos - in[i + half] * sin;
    out[i + half] = in[i + half] * cos + in[i] * sin;
  }
  for (int64_t i = 2 * half; i < head_dim; ++i) out[i] = in[i];
}

}  // namespace

void CpuBackend::attention(const AttentionArgs& args) {
  check_args(args);
  const CpuKvCache& cache = static_cast<const CpuKvCache&>(*args.cache);
  TANDEM_CHECK(cache.spec().head_dim == args.head_dim);
  if (cache.spec().dtype != args.q.dtype) {
    unsupported("a {} key/value cache with {} activations: both must have one type",
                dtype_name(cache.spec().dtype), dtype_name(args.q.dtype));
  }
  const int64_t tasks = visit_tasks(args, [](int64_t, const Task&) {});
  if (tasks == 0) return;
  std::atomic<int64_t> next{0};  // tasks differ in length; which thread takes one changes no bit
  pool_.run([&](int thread, int) {
    TaskRunner runner(kernels_, args, scratch_[static_cast<size_t>(thread)]);
    int64_t mine = next.fetch_add(1);
    visit_tasks(args, [&](int64_t number, const Task& task) {
      if (number != mine) return;
      runner.run(task);
      mine = next.fetch_add(1);
    });
  });
}

void CpuBackend::rope_append(const RopeAppendArgs& args) {
  check_args(args);
  const auto& cache = static_cast<const CpuKvCache&>(*args.cache);
  const auto& rope = static_cast<const CpuRopeTables&>(*args.rope);
  const int64_t head_dim = args.head_dim, half = rope.half();
  TANDEM_CHECK(cache.spec().head_dim == head_dim && cache.spec().kv_heads == args.kv_heads);
  TANDEM_CHECK(2 * half <= head_dim);
  const auto chunks = static_cast<const CpuBatch*>(args.batch)->chunks();
  const int64_t head_stride = round_up(head_dim, kStep) * dtype_bytes(args.q.dtype);
  const auto one_head = [&](int64_t head, float* turned) {
    for (const SequenceChunk& chunk : chunks) {
      for (int64_t i = 0; i < chunk.rows; ++i) {
        const int64_t row = chunk.row_begin + i, position = chunk.position + i;
        const float* table = rope.row(chunk.rope_table, position);
        const float* in = float_row(args.qkv, row) + head * head_dim;
        rotate(in, table, half, head_dim, turned);
        if (head < args.q_heads) {
          for (int64_t d = 0; d < head_dim; ++d) turned[d] *= table[2 * half];
          kernels_.narrow(args.q.dtype, turned, head_dim, row_of(args.q, row) + head * head_stride);
        } else {
          cache.write(args.layer, chunk.blocks[static_cast<size_t>(position / kKeyBlock)],
                      head - args.q_heads, position % kKeyBlock, turned,
                      in + args.kv_heads * head_dim);
        }
      }
    }
  };
  // A head's rows go in order on one thread: the first row of a page clears it.
  const int64_t heads = args.q_heads + args.kv_heads;
  float* turned = shared_.floats(heads * round_up(head_dim, kPanel));
  for_each(heads, args.qkv.rows * heads * head_dim, [&](int64_t begin, int64_t end) {
    for (int64_t head = begin; head < end; ++head) {
      one_head(head, turned + head * round_up(head_dim, kPanel));
    }
  });
}

}  // namespace tandem::cpu
