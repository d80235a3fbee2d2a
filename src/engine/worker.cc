// The body of a rank other than 0: receives the setup, loads, then executes step plans until told
// to stop.
#include "engine/ranks/worker.h"

#include <fmt/ranges.h>

#include <span>

#include "base/check.h"
#include "engine/rank_model.h"
#include "model/families.h"

namespace tandem {

namespace {

/// Every program gives its own families twice, to run_if_worker() and to EngineOptions.
void compare_families(const RankSetup& setup, const Families& families) {
  if (architectures_of(families) == setup.architectures) return;
  bad_input(
      "this worker knows the families {}, rank 0 knows {}; give run_if_worker() the same Families "
      "as "
      "EngineOptions",
      fmt::join(architectures_of(families), ", "), fmt::join(setup.architectures, ", "));
}

void work(RankContext& ranks, const Families& families) {
  std::vector<std::byte> bytes;
  ranks.host().broadcast(bytes);
  const RankSetup setup = decode_setup(bytes);
  compare_families(setup, families);
  RankModel model(ranks, setup, Checkpoint::open(setup.model_path, families), {});
  StepPlan plan;
  for (;;) {
    ranks.host().broadcast(bytes);
    decode(bytes, plan);
    if (plan.kind == StepKind::kShutdown) return;
    if (plan.kind == StepKind::kReport) {
      const RankTally tally = model.tally();
      ranks.host().gather(std::as_bytes(std::span(&tally, 1)));
      continue;
    }
    model.forward(plan, [](int64_t, int64_t, const ParallelHead&) {});
  }
}

}  // namespace

WorkerBody worker_of(Families families) {
  return [families = std::move(families)](RankContext& ranks) { work(ranks, families); };
}

void run_if_worker(int argc, char** argv, const Families& families) {
  run_if_worker(argc, argv, worker_of(families));
}

}  // namespace tandem
