// One rank's model, from the setup message to the forward pass; the same on rank 0 and on the
// workers.
#pragma once

#include <memory>
#include <type_traits>

#include "base/op_clock.h"
#include "checkpoint/hf_folder.h"
#include "engine/ranks/rank_context.h"
#include "engine/setup.h"

namespace tandem {

/// An opened checkpoint with everything checked, before any weight is read.
struct Checkpoint {
  HfFolder folder;
  ModelSpec spec;
  std::unique_ptr<ModelWeights> weights;
  static std::unique_ptr<Checkpoint> open(const std::string& path, const Families& families = {});
};

/// What a rank tells rank 0 when asked: bytes as they are.
struct RankTally {
  int64_t peak_rss_bytes = 0;
  int64_t weight_bytes = 0;
  int64_t macs = 0;
  OpClock::Totals ops;
};
static_assert(std::is_trivially_copyable_v<RankTally>);
RankReport report_of(const RankTally& tally);

class RankModel {
 public:
  /// Starts the backend, joins the others, proves the collective, loads. All ranks together.
  RankModel(RankContext& ranks, const RankSetup& setup, std::unique_ptr<Checkpoint> checkpoint,
            const std::function<void(double)>& progress);

  void forward(const StepPlan& plan, const Decoder::LogitSink& sink);
  /// After a plan with verify: throws on rank 0 when hashes differ, naming rank and layer.
  void compare_hashes();
  RankTally tally() const;
  const Backend& backend() const { return *backend_; }
  Decoder& decoder() { return *decoder_; }
  const ModelSpec& spec() const { return checkpoint_->spec; }
  /// What became of --use_mc2; "" when there is nothing to say.
  const std::string& mc2_note() const { return mc2_note_; }

 private:
  RankContext& ranks_;
  std::unique_ptr<Checkpoint> checkpoint_;
  ModelSplit split_;
  Shard shard_;
  std::unique_ptr<OpClock> clock_;  ///< or nullptr: off
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<DeviceComm> comm_;
  std::unique_ptr<Decoder> decoder_;
  std::string mc2_note_;
  int64_t macs_before_ = 0;  ///< spent on measuring, not on the model
};

}  // namespace tandem
