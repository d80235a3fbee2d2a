// The body of a rank other than 0: receives the setup, loads, then executes step plans until told
// to stop.
#include "engine/ranks/worker.h"

#include <span>

#include "engine/rank_model.h"

namespace tandem {

void worker_main(RankContext& ranks) {
  std::vector<std::byte> bytes;
  ranks.host().broadcast(bytes);
  const RankSetup setup = decode_setup(bytes);
  RankModel model(ranks, setup, Checkpoint::open(setup.model_path), {});
  StepPlan plan;
  for (;;) {
    ranks.host().broadcast(bytes);
    decode(bytes, plan);
    if (plan.kind == StepKind::kShutdown) return;
    if (plan.kind == StepKind::kReport) {
      const RankReport report = model.report();
      ranks.host().gather(std::as_bytes(std::span(&report, 1)));
      continue;
    }
    model.forward(plan, [](int64_t, int64_t, const ParallelHead&) {});
  }
}

void run_if_worker(int argc, char** argv) { run_if_worker(argc, argv, worker_main); }

}  // namespace tandem
