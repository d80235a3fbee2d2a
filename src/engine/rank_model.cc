#include "engine/rank_model.h"

#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/check.h"
#include "base/cpu_features.h"
#include "comm/self_test.h"
#include "model/families.h"
#include "model/random_model.h"

namespace tandem {
namespace {

/// Sizes that the transport must be made for.
DeviceCommSpec comm_spec(const ModelSpec& spec, const ModelSplit& split,
                         const DecoderOptions& options) {
  DeviceCommSpec out;
  out.max_rows = options.max_rows;
  out.max_cols = spec.hidden;
  for (int r = 0; r < split.ranks; ++r) {
    const auto at = static_cast<size_t>(r);
    for (size_t nodes : {tree_nodes(spec.q_heads, split.heads[at]).size(),
                         tree_nodes(split.ff.count(), split.ff_runs[at]).size()}) {
      out.max_nodes_per_rank = std::max(out.max_nodes_per_rank, static_cast<int64_t>(nodes));
    }
  }
  for (const WeightRule& rule : spec.weights) {  // of a family's own block
    const Sides sides = sides_of(rule);
    if (rule.scatter_input || split_of(rule) == Split::kInFeatures) {
      out.max_cols = std::max(out.max_cols, dim_size(spec, sides.out));
      const DimSplit parts = dim_split(spec, split, sides.in);
      for (const Range& run : parts.runs) {
        const auto nodes = static_cast<int64_t>(tree_nodes(parts.units.count(), run).size());
        out.max_nodes_per_rank = std::max(out.max_nodes_per_rank, nodes);
      }
    }
    if (rule.gather_output)
      out.max_gather_floats =
          std::max(out.max_gather_floats, options.max_rows * dim_size(spec, sides.out));
  }
  out.max_gather_floats =
      std::max({out.max_gather_floats, options.max_rows * spec.hidden,
                options.max_logit_rows * ParallelHead::gathered_columns(split.vocab)});
  return out;
}

/// VmHWM of this process, bytes; 0 where /proc does not say.
int64_t peak_rss() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) * 1024;
  }
  return 0;
}

}  // namespace

std::unique_ptr<Checkpoint> Checkpoint::open(const std::string& path, const Families& families) {
  auto checkpoint = std::make_unique<Checkpoint>();
  checkpoint->folder = open_model_config(path);
  const auto quantization = read_quantization(checkpoint->folder);
  checkpoint->spec =
      read_model_spec(checkpoint->folder.config, checkpoint->folder.config_path, families);
  checkpoint->folder = open_model(path);
  checkpoint->weights =
      std::make_unique<ModelWeights>(checkpoint->spec, checkpoint->folder.tensors, quantization);
  return checkpoint;
}

RankModel::RankModel(RankContext& ranks, const RankSetup& setup,
                     std::unique_ptr<Checkpoint> checkpoint,
                     const std::function<void(double)>& progress)
    : ranks_(ranks),
      checkpoint_(std::move(checkpoint)),
      split_(split_model(checkpoint_->spec, ranks.size())),
      shard_(shard_of(checkpoint_->spec, split_, ranks.rank(),
                      checkpoint_->weights->forms(setup.decoder.compute, setup.decoder.quantize),
                      setup.decoder.cache)) {
  BackendOptions options;
  options.device = setup.device;
  options.isa = setup.isa;
  options.threads = setup.threads;
  options.oversubscribed = ranks.size() * setup.threads > usable_cores();
  backend_ = make_backend(options);
  DeviceCommSpec spec = comm_spec(checkpoint_->spec, split_, setup.decoder);
  spec.threads_per_rank = setup.threads;
  comm_ = ranks_.connect(*backend_, spec);
  ranks_.set_progress(RankPhase::kSelfTest);
  const std::chrono::milliseconds limit(static_cast<int64_t>(setup.time_limit_s * 1000));
  self_test(ranks_.host(), *comm_, *backend_, spec, limit);
  ParallelContext parallel{backend_.get(), comm_.get(), ranks_.rank(), ranks_.size(), {}, nullptr};
  const WeightRule* down = checkpoint_->spec.rule(WeightRole::kDown);
  const WeightForms forms =
      checkpoint_->weights->forms(setup.decoder.compute, setup.decoder.quantize);
  const Mc2Decision mc2 =
      decide_mc2(ranks_.host(), parallel, setup.mc2,
                 {split_.ff, checkpoint_->spec.hidden, setup.decoder.compute,
                  setup.decoder.max_rows, down == nullptr ? forms.quantize : forms.of(*down, 0)});
  parallel.mc2 = mc2.schedule;
  if (setup.time_ops) clock_ = std::make_unique<OpClock>();
  parallel.clock = clock_.get();
  mc2_note_ = mc2.note;
  macs_before_ = backend_->macs();
  ranks_.set_progress(RankPhase::kLoading);
  const auto loaded = [&](double fraction) {
    ranks_.host().check();
    if (progress) progress(fraction);
  };
  decoder_ = std::make_unique<Decoder>(checkpoint_->spec, split_, *checkpoint_->weights, parallel,
                                       setup.decoder, loaded);
  ranks_.host().barrier();
  ranks_.set_progress(RankPhase::kIdle);
}

void RankModel::forward(const StepPlan& plan, const Decoder::LogitSink& sink) {
  const bool decode = plan.rows() == static_cast<int64_t>(plan.chunks.size());
  ranks_.set_progress(decode ? RankPhase::kDecode : RankPhase::kPrefill,
                      static_cast<int64_t>(plan.step));
  if (clock_) clock_->begin(decode ? OpClock::Phase::kDecode : OpClock::Phase::kPrefill);
  decoder_->forward(plan, sink);
  if (clock_) clock_->end();
  if (plan.verify) compare_hashes();
  ranks_.set_progress(RankPhase::kIdle, static_cast<int64_t>(plan.step));
}

void RankModel::compare_hashes() {
  const std::vector<uint64_t>& own = decoder_->hashes();
  const auto all = ranks_.host().gather(std::as_bytes(std::span(own)));
  for (size_t rank = 1; rank < all.size(); ++rank) {
    TANDEM_CHECK(all[rank].size() == own.size() * sizeof(uint64_t));
    for (size_t layer = 0; layer < own.size(); ++layer) {
      uint64_t other = 0;
      std::memcpy(&other, all[rank].data() + layer * sizeof(uint64_t), sizeof other);
      if (other == own[layer]) continue;
      fail(ErrorCode::kRankFailure, "--verify: rank {} has another residual than rank 0 after {}",
           rank, layer == 0 ? std::string("the embedding") : fmt::format("layer {}", layer - 1));
    }
  }
}

RankTally RankModel::tally() const {
  return {peak_rss(), shard_.weight_bytes, backend_->macs() - macs_before_,
          clock_ ? clock_->totals() : OpClock::Totals{}};
}

RankReport report_of(const RankTally& tally) {
  RankReport report{tally.peak_rss_bytes, tally.weight_bytes, tally.macs, {}, 0, 0};
  const auto seconds = [](int64_t ns) { return static_cast<double>(ns) * 1e-9; };
  for (int32_t i = 0; i < tally.ops.count; ++i) {
    const OpClock::Kind& kind = tally.ops.kinds.at(static_cast<size_t>(i));
    report.ops.push_back({std::string(kind.label()), seconds(kind.ns[0]), seconds(kind.ns[1])});
  }
  report.prefill_passes = tally.ops.passes[0];
  report.decode_passes = tally.ops.passes[1];
  return report;
}

}  // namespace tandem
