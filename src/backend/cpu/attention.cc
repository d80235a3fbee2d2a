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
  const auto& rope = static_cast<const CpuRopeTables&>(*args.rope);
  const int64_t head_dim = args.head_dim, half = rope.half();
  TANDEM_CHECK(cache.spec().head_dim == head_dim && cache.spec().kv_heads == args.kv_heads);
  TANDEM_CHECK(2 * half <= head_dim);
  const auto chunks = static_cast<const CpuBatch*>(args.batch)->chunks();
  const int64_t head_stride = round_up(head_dim, kStep) * dtype_bytes(args.q.dtype);
  // Per head: the turned key or query, and the same in the cache's type.
  const int64_t scratch = 2 * round_up(head_dim + 1, kPanel);
  const auto one_head = [&](int64_t head, float* turned) {
    RopeArgs turn;
    turn.half = half;
    turn.head_dim = head_dim;
    turn.out = turned;
    KvEntry entry;
    entry.layer = args.layer;
    entry.head = head - args.q_heads;
    entry.k = turned;
    entry.row = reinterpret_cast<std::byte*>(turned + scratch / 2);
    for (const SequenceChunk& chunk : chunks) {
      for (int64_t i = 0; i < chunk.rows; ++i) {
        const int64_t row = chunk.row_begin + i, position = chunk.position + i;
        const float* table = rope.row(chunk.rope_table, position);
        turn.in = float_row(args.qkv, row) + head * head_dim;
        turn.cos = table;
        turn.sin = table + half;
        turn.q_scale = head < args.q_heads ? table + 2 * half : nullptr;
        kernels_.rope(turn);
        if (head < args.q_heads) {
          kernels_.narrow(args.q.dtype, turned, head_dim, row_of(args.q, row) + head * head_stride);
        } else {
          entry.page = chunk.blocks[static_cast<size_t>(position / kKeyBlock)];
          entry.slot = position % kKeyBlock;
          entry.v = turn.in + args.kv_heads * head_dim;
          cache.write(kernels_, entry);
        }
      }
    }
  };
  // A head's rows go in order on one thread: the first row of a page clears it.
  const int64_t heads = args.q_heads + args.kv_heads;
  float* turned = shared_.floats(heads * scratch);
  for_each(heads, args.qkv.rows * heads * head_dim, [&](int64_t begin, int64_t end) {
    for (int64_t head = begin; head < end; ++head) one_head(head, turned + head * scratch);
  });
}

}  // namespace tandem::cpu
