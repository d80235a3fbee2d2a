// What overlapping a row-parallel product with its reduce saves, on this machine, with real kernels
// and rank processes: mc2_speed RANKS ROWS K N [ROUNDS [ISA [THREADS]]]. All ways of cutting are
// measured in turn, round by round; medians and quartiles of rank 0.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/arithmetic.h"
#include "comm/communicator.h"
#include "engine/ranks/rank_group.h"
#include "engine/ranks/worker.h"
#include "parallel/linear.h"

namespace tandem {
namespace {

constexpr int64_t kCuts[] = {1, 2, 4, 8};

struct Job {
  int64_t rows = 0, k = 0, n = 0;
  int rounds = 21;
  int threads = 1;
  char isa[16] = "auto";
};

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

/// The row-parallel linear of this rank, packed in `pieces` runs of columns.
RowParallelLinear make_linear(ParallelContext context, const Job& job, int64_t pieces,
                              std::vector<std::byte>* zeros) {
  context.mc2 = {pieces, 1};
  const Units units = feed_forward_units(job.k);
  const RowParallelLinear::Layout layout = {units.count(), partition(units.count(), context.size),
                                            job.n};
  const Range run = layout.runs[static_cast<size_t>(context.rank)];
  const int64_t k = units.elements(run).size();
  LinearSource source;
  source.compute = DType::kBF16;
  source.tree = local_tree(units.count(), run);
  for (int64_t u = run.begin; u < run.end; ++u) {
    source.units.push_back(units.elements({u, u + 1}).size());
  }
  zeros->resize(static_cast<size_t>(job.n * k * 2));
  source.weight = {{zeros->data(), DType::kBF16, job.n, k, k}};
  return {context, source, layout};
}

void measure(RankContext& rank, const Job& job) {
  const auto backend = make_backend({"cpu", job.isa, job.threads});
  const auto comm = rank.connect(*backend, {.max_rows = job.rows,
                                            .max_cols = job.n,
                                            .max_nodes_per_rank = 16,
                                            .threads_per_rank = job.threads});
  const ParallelContext context = {backend.get(), comm.get(), rank.rank(),
                                   rank.size(),   {},         nullptr};
  std::vector<std::byte> zeros;
  std::vector<RowParallelLinear> linears;
  for (const int64_t cuts : kCuts) linears.push_back(make_linear(context, job, cuts, &zeros));

  const Units units = feed_forward_units(job.k);
  const auto run = partition(units.count(), rank.size())[static_cast<size_t>(rank.rank())];
  int64_t padded = 0;
  for (int64_t u = run.begin; u < run.end; ++u) {
    padded += round_up(units.elements({u, u + 1}).size(), kStep);
  }
  const auto memory =
      backend->allocate(static_cast<size_t>(std::max<int64_t>(job.rows * padded * 2, 1)));
  const Matrix in = {memory.get(), 0, DType::kBF16, job.rows, padded, padded};

  std::vector<double> times[std::size(kCuts)];
  std::vector<double> waits[std::size(kCuts)];
  for (int round = -2; round < job.rounds; ++round) {
    for (size_t c = 0; c < std::size(kCuts); ++c) {
      const double waited = comm->counters().wait_s;
      const auto start = std::chrono::steady_clock::now();
      linears[c].forward(in);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      if (round < 0) continue;
      times[c].push_back(took.count() * 1e3);
      waits[c].push_back((comm->counters().wait_s - waited) * 1e3);
    }
  }
  if (rank.rank() != 0) return;
  fmt::print("{} ranks x {} threads, {}, [{} x {}] x [{} x {}]\n", rank.size(), job.threads,
             backend->isa(), job.rows, job.k, job.k, job.n);
  for (size_t c = 0; c < std::size(kCuts); ++c) {
    fmt::print("  {} pieces: {:.3f} ms (quartiles {:.3f} {:.3f}), of which waiting {:.3f}\n",
               kCuts[c], quantile(times[c], 0.5), quantile(times[c], 0.25),
               quantile(times[c], 0.75), quantile(waits[c], 0.5));
  }
}

void worker(RankContext& rank) {
  std::vector<std::byte> bytes;
  rank.host().broadcast(bytes);
  Job job;
  std::memcpy(&job, bytes.data(), sizeof(job));
  measure(rank, job);
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  tandem::run_if_worker(argc, argv, tandem::worker);
  if (argc < 5) {
    fmt::print(stderr, "usage: mc2_speed RANKS ROWS K N [ROUNDS [ISA [THREADS]]]\n");
    return 2;
  }
  tandem::Job job;
  job.rows = std::atoll(argv[2]);
  job.k = std::atoll(argv[3]);
  job.n = std::atoll(argv[4]);
  if (argc > 5) job.rounds = std::max(1, std::atoi(argv[5]));
  if (argc > 6) std::snprintf(job.isa, sizeof(job.isa), "%s", argv[6]);
  if (argc > 7) job.threads = std::atoi(argv[7]);
  try {
    const auto group = tandem::RankGroup::start_processes(std::atoi(argv[1]));
    auto& root = group->root();
    std::vector<std::byte> bytes(sizeof(job));
    std::memcpy(bytes.data(), &job, sizeof(job));
    root.host().broadcast(bytes);
    tandem::measure(root, job);
  } catch (const std::exception& error) {
    fmt::print(stderr, "mc2_speed: {}\n", error.what());
    return 1;
  }
  return 0;
}
