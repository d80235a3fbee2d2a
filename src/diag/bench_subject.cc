#include "diag/bench_subject.h"

#include "base/check.h"
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

}  // namespace

BenchReport bench_subject(BenchSubject& subject, const BenchCase& one, int rounds) {
  check(one, rounds);
  const BenchFacts facts = subject.facts();
  const int threads = facts.world_size * facts.threads;
  ReadProbe probe(threads, kProbeBytes);
  subject.run({one.prompt, 2, one.batch});  // caches, pages and frequencies settle

  const auto batch = static_cast<double>(one.batch);
  std::vector<Round> done;
  for (int i = 0; i < rounds; ++i) {
    Round round;
    round.read_gb_s = probe.measure(3);
    round.compute_gf = compute_gflops(threads, facts.isa, facts.dtype);
    const BenchRun run = subject.run(one);
    round.prefill_tok_s = ratio(static_cast<double>(one.prompt) * batch, run.prefill_s);
    round.decode_tok_s = ratio(static_cast<double>(run.decode_tokens), run.decode_s);
    done.push_back(round);
  }
  BenchReport report;
  report.model = facts.model;
  report.isa = facts.isa;
  report.dtype = facts.dtype;
  report.world_size = facts.world_size;
  report.threads = facts.threads;
  report.point = one;
  report.load_s = facts.load_s;
  report.bytes_per_step = bytes_per_step(facts, one);
  report.flops_per_token = facts.flops_per_token;
  fill(report, summarize(done));
  return report;
}

}  // namespace tandem
