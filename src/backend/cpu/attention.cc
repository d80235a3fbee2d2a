// Softmax attention over paged keys and values, and their writing. Keys are walked in pages of 64
// counted from position 0; q.k and p.v are chains over tiles like those of linear layers.
#include <algorithm>
#include <atomic>

#include "backend/checks.h"
#include "backend/cpu/attention_task.h"
#include "backend/cpu/for_each.h"
#include "base/check.h"

namespace tandem::cpu {
namespace {

/// Calls fn for task number [begin, end) of all; with begin == end only counts them. Long chunks
/// are cut into pieces of tokens, so that threads share them.
template <typename F>
int64_t visit_tasks(const Kernels& kernels, const AttentionArgs& args, F fn) {
  int64_t number = 0;
  for (const SequenceChunk& chunk : static_cast<const CpuBatch*>(args.batch)->chunks()) {
    for (const HeadSegment& segment : args.segments) {
      const int64_t piece = std::max<int64_t>(
          1, attention_task_rows(kernels) / std::max<int64_t>(1, segment.q_count));
      for (int64_t token = 0; token < chunk.rows; token += piece) {
        fn(number++, AttentionTask{&chunk, segment, token, std::min(piece, chunk.rows - token)});
      }
    }
  }
  return number;
}

/// Pages that a chunk writes to.
int64_t pages_of(const SequenceChunk& c) {
  return c.rows == 0 ? 0 : (c.position + c.rows - 1) / kKeyBlock - c.position / kKeyBlock + 1;
}

/// Turns queries and keys and writes keys and values, token by token. The rows of one page go in
/// order on one thread: the first one clears it.
struct RopeWriter {
  const Kernels& kernels;
  const RopeAppendArgs& args;

  /// The rows in the n-th page that the chunk touches. scratch: a turned head, and the same in the
  /// cache's type.
  void page(const SequenceChunk& chunk, int64_t n, float* scratch) const {
    const int64_t page = chunk.position / kKeyBlock + n;
    const int64_t begin = std::max(chunk.position, page * kKeyBlock);
    const int64_t end = std::min(chunk.position + chunk.rows, (page + 1) * kKeyBlock);
    for (int64_t position = begin; position < end; ++position) token(chunk, position, scratch);
  }

  void token(const SequenceChunk& chunk, int64_t position, float* scratch) const {
    const auto& rope = static_cast<const CpuRopeTables&>(*args.rope);
    const int64_t head_dim = args.head_dim, row = chunk.row_begin + position - chunk.position;
    const float* in = float_row(args.qkv, row);
    RopeArgs turn;
    turn.half = rope.half();
    turn.cos = rope.row(chunk.rope_table, position);
    turn.sin = turn.cos + turn.half;
    turn.q_scale = turn.sin + turn.half;
    turn.head_dim = head_dim;
    turn.out = scratch;
    std::byte* q = row_of(args.q, row);
    for (int64_t head = 0; head < args.q_heads; ++head) {
      turn.in = in + head * head_dim;
      kernels.rope(turn);
      kernels.narrow(args.q.dtype, scratch, head_dim, q);
      q += round_up(head_dim, kStep) * dtype_bytes(args.q.dtype);
    }
    turn.q_scale = nullptr;
    KvEntry entry;
    entry.layer = args.layer;
    entry.page = chunk.blocks[static_cast<size_t>(position / kKeyBlock)];
    entry.slot = position % kKeyBlock;
    entry.k = scratch;
    entry.row = reinterpret_cast<std::byte*>(scratch + round_up(head_dim + 2, kPanel));
    for (; entry.head < args.kv_heads; ++entry.head) {
      turn.in = in + (args.q_heads + entry.head) * head_dim;
      entry.v = turn.in + args.kv_heads * head_dim;
      kernels.rope(turn);
      static_cast<const CpuKvCache&>(*args.cache).write(kernels, entry);
    }
  }
};

}  // namespace

void CpuBackend::attention(const AttentionArgs& args) {
  check_args(args);
  const CpuKvCache& cache = static_cast<const CpuKvCache&>(*args.cache);
  TANDEM_CHECK(cache.spec().head_dim == args.head_dim);
  const int64_t tasks = visit_tasks(kernels_, args, [](int64_t, const AttentionTask&) {});
  if (tasks == 0) return;
  std::atomic<int64_t> next{0};  // tasks differ in length; which thread takes one changes no bit
  pool_.run([&](int thread, int) {
    AttentionRunner runner(kernels_, args, scratch_[static_cast<size_t>(thread)]);
    int64_t mine = next.fetch_add(1);
    visit_tasks(kernels_, args, [&](int64_t number, const AttentionTask& task) {
      if (number != mine) return;
      runner.run(task);
      mine = next.fetch_add(1);
    });
  });
}

void CpuBackend::rope_append(const RopeAppendArgs& args) {
  check_args(args);
  const auto& cache = static_cast<const CpuKvCache&>(*args.cache);
  const int64_t head_dim = args.head_dim;
  TANDEM_CHECK(cache.spec().head_dim == head_dim && cache.spec().kv_heads == args.kv_heads);
  TANDEM_CHECK(2 * static_cast<const CpuRopeTables&>(*args.rope).half() <= head_dim);
  const auto chunks = static_cast<const CpuBatch*>(args.batch)->chunks();
  int64_t pages = 0;
  for (const SequenceChunk& chunk : chunks) pages += pages_of(chunk);
  const RopeWriter writer{kernels_, args};
  const int64_t scratch = 2 * round_up(head_dim + 2, kPanel);
  float* memory = shared_.floats(std::max<int64_t>(pages, 1) * scratch);
  const int64_t heads = args.q_heads + args.kv_heads;
  for_each(pages, args.qkv.rows * heads * head_dim, [&](int64_t begin, int64_t end) {
    int64_t first = 0;  // number of the chunk's first page
    for (const SequenceChunk& chunk : chunks) {
      const int64_t last = first + pages_of(chunk);
      for (int64_t p = std::max(begin, first); p < std::min(end, last); ++p) {
        writer.page(chunk, p - first, memory + p * scratch);
      }
      first = last;
    }
  });
}

}  // namespace tandem::cpu
