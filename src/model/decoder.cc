#include "model/decoder.h"

#include <algorithm>
#include <cmath>

#include "base/arithmetic.h"
#include "base/check.h"
#include "model/layers/family_block.h"
#include "model/load.h"
#include "model/rope.h"

namespace tandem {
namespace {

/// A zeroed row-major matrix with a buffer of its own; rows are padded to whole steps.
struct OwnedMatrix {
  std::unique_ptr<Buffer> buffer;
  Matrix matrix;
};

OwnedMatrix make_matrix(Backend& backend, DType dtype, int64_t rows, int64_t cols) {
  const int64_t stride = round_up(std::max<int64_t>(cols, 1), kStep);
  OwnedMatrix m;
  m.buffer = backend.allocate(
      static_cast<size_t>(std::max<int64_t>(rows, 1) * stride * dtype_bytes(dtype)));
  m.matrix = {m.buffer.get(), 0, dtype, rows, cols, stride};
  return m;
}

}  // namespace

struct Decoder::Impl {
  const ModelSpec& spec;
  ParallelContext context;
  DecoderOptions options;
  std::unique_ptr<layers::Runtime> family;  ///< of blocks that the family wrote
  std::vector<std::unique_ptr<Block>> blocks;
  std::unique_ptr<PackedVector> final_norm, final_norm_bias;
  std::unique_ptr<VocabularyEmbedding> embedding;
  std::unique_ptr<ParallelHead> head;
  std::unique_ptr<KvCache> cache;
  std::unique_ptr<RopeTables> rope;
  std::unique_ptr<DeviceBatch> batch;
  OwnedMatrix residual, normed, qkv, q, attended, activated, selected, head_in;
  std::vector<SequenceChunk> chunks;
  std::vector<uint64_t> hashes;
  std::vector<bool> finite;

  Impl(const ModelSpec& model, const ParallelContext& parallel, const DecoderOptions& opts)
      : spec(model), context(parallel), options(opts) {}

  void make_buffers(const Shard& shard);
  Workspace workspace(int64_t rows) const;
  void prepare(const StepPlan& plan);
  void inspect(const Matrix& hidden);
  void norm_final(const Matrix& from, const Matrix& out) const;
  void run_head(const StepPlan& plan, const Matrix& hidden, const LogitSink& sink);
};

void Decoder::Impl::make_buffers(const Shard& shard) {
  Backend& b = *context.backend;
  const int64_t rows = options.max_rows;
  const int64_t heads = shard.q_heads.size();
  const int64_t head_columns = heads * round_up(spec.head_dim, kStep);
  residual = make_matrix(b, DType::kF32, rows, spec.hidden);
  if (family == nullptr) {
    normed = make_matrix(b, options.compute, rows, spec.hidden);
    qkv = make_matrix(b, DType::kF32, rows, (heads + 2 * shard.kv_heads.size()) * spec.head_dim);
    q = make_matrix(b, options.compute, rows, head_columns);
    attended = make_matrix(b, options.compute, rows, head_columns);
    activated = make_matrix(b, options.compute, rows, shard.ff_columns.size());
  }
  selected = make_matrix(b, DType::kF32, options.max_logit_rows, spec.hidden);
  head_in = make_matrix(b, options.compute, options.max_logit_rows, spec.hidden);
  cache = b.make_kv_cache(
      {spec.layers, shard.kv_heads.size(), spec.head_dim, options.cache, options.blocks});
  rope = b.make_rope_tables(spec.rope.rotary_dim / 2);
  batch = b.make_batch();
}

Workspace Decoder::Impl::workspace(int64_t rows) const {
  const auto exact = [rows](const OwnedMatrix& m) { return m.matrix.row_range(0, rows); };
  return {exact(residual), exact(normed), exact(qkv), exact(q), exact(attended), exact(activated)};
}

void Decoder::Impl::prepare(const StepPlan& plan) {
  TANDEM_CHECK(plan.rows() <= options.max_rows);
  for (int32_t table : plan.drop_tables) rope->drop(table);
  for (const PlanRopeRows& rows : plan.rope_rows)
    rope->set_rows(rows.table, rows.first, rows.values);
  for (const PageCopy& copy : plan.copies)
    context.backend->copy_kv_block(*cache, copy.from, copy.to);
  chunks.resize(plan.chunks.size());
  for (size_t i = 0; i < chunks.size(); ++i) {
    const PlanChunk& from = plan.chunks[i];
    const auto pages = plan.blocks_of(from);
    chunks[i].row_begin = from.row_begin;
    chunks[i].rows = from.rows;
    chunks[i].position = from.position;
    chunks[i].rope_table = from.rope_table;
    chunks[i].blocks.assign(pages.begin(), pages.end());
  }
  batch->set(chunks);
  hashes.clear();
  finite.clear();
}

void Decoder::Impl::inspect(const Matrix& hidden) {
  hashes.push_back(context.backend->hash(hidden));
  std::vector<float> row(static_cast<size_t>(spec.hidden));
  bool good = true;
  for (int64_t r = 0; r < hidden.rows && good; ++r) {
    context.backend->download(hidden.row_range(r, 1), std::as_writable_bytes(std::span(row)));
    good = std::all_of(row.begin(), row.end(), [](float v) { return std::isfinite(v); });
  }
  finite.push_back(good);
}

void Decoder::Impl::norm_final(const Matrix& from, const Matrix& out) const {
  const auto eps = static_cast<float>(spec.norm_eps);
  if (spec.final_norm == NormKind::kLayer) {
    context.backend->layer_norm({from, final_norm.get(), final_norm_bias.get(), eps, out});
  } else {
    add_and_norm(*context.backend, from, {}, final_norm.get(), eps, out);
  }
}

void Decoder::Impl::run_head(const StepPlan& plan, const Matrix& hidden, const LogitSink& sink) {
  OpScope op(context.clock, "head");
  const auto wanted = std::span(plan.logit_rows);
  const auto total = static_cast<int64_t>(wanted.size());
  for (int64_t first = 0; first < total; first += options.max_logit_rows) {
    const int64_t rows = std::min(options.max_logit_rows, total - first);
    const Matrix rows_out = selected.matrix.row_range(0, rows);
    context.backend->select_rows(
        {hidden, wanted.subspan(static_cast<size_t>(first), static_cast<size_t>(rows)), rows_out});
    const Matrix in = head_in.matrix.row_range(0, rows);
    norm_final(rows_out, in);
    head->forward(in);
    const OpScope sampling(context.clock, "sampling");
    sink(first, rows, *head);
  }
}

Decoder::Decoder(const ModelSpec& spec, const ModelSplit& split, const ModelWeights& weights,
                 const ParallelContext& context, const DecoderOptions& options,
                 const std::function<void(double)>& loaded)
    : impl_(std::make_unique<Impl>(spec, context, options)) {
  const Shard shard = shard_of(spec, split, context.rank,
                               weights.forms(options.compute, options.quantize), options.cache);
  const LoadContext load{spec,           split,           shard,           weights,
                         impl_->context, options.compute, options.quantize};
  auto table = load_vocabulary(load, WeightRole::kEmbedding);
  if (spec.block) {
    impl_->family =
        std::make_unique<layers::Runtime>(*context.backend, options.compute, options.max_rows);
  }
  for (int64_t layer = 0; layer < spec.layers; ++layer) {
    if (loaded) loaded(static_cast<double>(layer) / static_cast<double>(spec.layers));
    impl_->blocks.push_back(impl_->family == nullptr
                                ? load_block(load, layer)
                                : layers::load_family_block(load, layer, *impl_->family));
  }
  impl_->final_norm = load_vector(load, WeightRole::kFinalNorm, 0);
  impl_->final_norm_bias = load_bias(load, *spec.rule(WeightRole::kFinalNorm), 0);
  auto head = spec.tied ? table : load_vocabulary(load, WeightRole::kHead);
  impl_->embedding = std::make_unique<VocabularyEmbedding>(impl_->context, table, split.vocab);
  impl_->head = std::make_unique<ParallelHead>(impl_->context, head, split.vocab);
  impl_->make_buffers(shard);
  if (loaded) loaded(1);
}

Decoder::~Decoder() = default;

void Decoder::forward(const StepPlan& plan, const LogitSink& sink) {
  Impl& m = *impl_;
  Backend& backend = *m.context.backend;
  m.prepare(plan);
  const Workspace w = m.workspace(plan.rows());
  OpScope op(m.context.clock, "embedding");
  const Matrix embedded = m.embedding->forward(plan.ids, m.spec.hidden);
  const TreeProgram copy = TreeProgram::single();
  backend.tree_add({{&embedded, 1}, &copy, w.residual});
  op.next("other");
  if (plan.verify) m.inspect(w.residual);
  const BlockContext context{&backend, m.batch.get(), m.rope.get(), m.cache.get(), m.context.clock};
  Pending pending;
  for (const auto& block : m.blocks) {
    pending = block->forward(context, w, pending);
    if (plan.verify) {
      add_and_norm(backend, w.residual, pending, nullptr, 0, {});
      pending = {};
      m.inspect(w.residual);
    }
  }
  if (pending.sum.buffer != nullptr) add_and_norm(backend, w.residual, pending, nullptr, 0, {});
  m.run_head(plan, w.residual, sink);
}

const std::vector<uint64_t>& Decoder::hashes() const { return impl_->hashes; }
const std::vector<bool>& Decoder::finite() const { return impl_->finite; }

}  // namespace tandem
