#include "diag/bench_subject.h"

#include <algorithm>

#include "base/check.h"
#include "base/cpu_features.h"
#include "diag/op_times.h"
#include "diag/probe.h"

namespace tandem {
namespace {

constexpr size_t kProbeBytes = size_t{256} << 20;  // beyond every cache of a usual machine

void check(const BenchCase& one, int rounds) {
  if (one.prompt < 1) bad_input("--prompt is {}; it must be at least 1", one.prompt);
  if (one.generate < 2) bad_input("--generate is {}; it must be at least 2", one.generate);
  if (one.batch < 1) bad_input("--batch is {}; it must be at least 1", one.batch);
  if (rounds < 1) bad_input("--rounds is {}; it must be at least 1", rounds);
}

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

/// Weights once per step, and the cache of every sequence at its average length.
double bytes_per_step(const BenchFacts& facts, const BenchCase& one) {
  const double length = static_cast<double>(one.prompt) + static_cast<double>(one.generate) / 2;
  return facts.weight_bytes + facts.kv_bytes_per_token * length * static_cast<double>(one.batch);
}

void fill(BenchReport& report, const RoundSummary& summary) {
  const auto batch = static_cast<double>(report.point.batch);
  report.prefill_tok_s = summary.median.prefill_tok_s;
  report.decode_tok_s = summary.median.decode_tok_s;
  report.spread = summary.spread;
  report.probe_read_gb_s = summary.median.read_gb_s;
  report.probe_compute_gf = summary.median.compute_gf;
  report.decode_percent_of_read = 100 * ratio(report.bytes_per_step * report.decode_tok_s / batch,
                                              report.probe_read_gb_s * 1e9);
  report.prefill_percent_of_compute =
      100 * ratio(report.flops_per_token * report.prefill_tok_s, report.probe_compute_gf * 1e9);
  report.rounds = summary.used;
  report.discarded = summary.discarded;
  report.too_busy = summary.too_few;
}

struct Probes {
  double read_gb_s = 0;
  double compute_gf = 0;
};

/// The probes around a round, and how far they are from each other.
void take_probes(Round& round, const Probes& before, const Probes& after) {
  const auto mean = [](double a, double b) { return (a + b) / 2; };
  const auto nearness = [](double a, double b) { return ratio(std::min(a, b), std::max(a, b)); };
  round.read_gb_s = mean(before.read_gb_s, after.read_gb_s);
  round.compute_gf = mean(before.compute_gf, after.compute_gf);
  round.steadiness = std::min(nearness(before.read_gb_s, after.read_gb_s),
                              nearness(before.compute_gf, after.compute_gf));
}

BenchReport report_of(const BenchFacts& facts, const BenchCase& one) {
  BenchReport report;
  report.model = facts.model;
  report.isa = facts.isa;
  report.dtype = facts.dtype;
  report.quantize = facts.quantize;
  report.world_size = facts.world_size;
  report.threads = facts.threads;
  report.point = one;
  report.load_s = facts.load_s;
  report.bytes_per_step = bytes_per_step(facts, one);
  report.flops_per_token = facts.flops_per_token;
  return report;
}

}  // namespace

BenchReport bench_subject(BenchSubject& subject, const BenchCase& one, int rounds,
                          const std::function<void(int)>& progress) {
  check(one, rounds);
  const BenchFacts facts = subject.facts();
  const int threads = std::min(facts.world_size * facts.threads, usable_cores());
  ReadProbe reading(threads, kProbeBytes, facts.isa);
  const ComputeProbe computing = compute_probe(facts.isa, facts.dtype, facts.quantize != "none");
  const auto probe = [&] { return Probes{reading.measure(5), gflops(computing, threads)}; };
  if (progress) progress(0);
  subject.run({one.prompt, 2, one.batch});  // caches, pages and frequencies settle

  const auto batch = static_cast<double>(one.batch);
  std::vector<Round> done;
  std::vector<OpTimes> ops;
  Probes before = probe();
  for (int i = 0; i < rounds; ++i) {
    if (progress) progress(i + 1);
    Round round;
    BenchRun run = subject.run(one);
    const Probes after = probe();
    take_probes(round, before, after);
    before = after;
    round.prefill_tok_s = ratio(static_cast<double>(one.prompt) * batch, run.prefill_s);
    round.decode_tok_s = ratio(static_cast<double>(run.decode_tokens), run.decode_s);
    done.push_back(round);
    ops.push_back(std::move(run.ops));
  }
  BenchReport report = report_of(facts, one);
  report.probe_compute = computing.what;
  const RoundSummary summary = summarize(done);
  for (size_t i = 0; i < ops.size(); ++i)
    if (summary.counts[i]) add(report.ops, ops[i]);
  report.collective_share_decode = decode_share(report.ops, "collective");
  report.collective_share_prefill = prefill_share(report.ops, "collective");
  fill(report, summary);
  return report;
}

}  // namespace tandem
