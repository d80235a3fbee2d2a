#include "diag/bench_subject.h"

#include <gtest/gtest.h>

#include <vector>

#include "diag/op_times.h"
#include "tandem/error.h"

namespace tandem {
namespace {

class FakeSubject final : public BenchSubject {
 public:
  BenchFacts facts() const override {
    BenchFacts facts;
    facts.model = "fake";
    facts.isa = "portable";
    facts.weight_bytes = 1000;
    facts.kv_bytes_per_token = 2;
    facts.flops_per_token = 5;
    return facts;
  }
  BenchRun run(const BenchCase& one) override {
    cases.push_back(one);
    const OpTimes ops{{{"down", 6, 3}, {"collective", 2, 1}}, 1, one.generate - 1};
    return {2.0, 4.0, (one.generate - 1) * one.batch, ops};
  }
  std::vector<BenchCase> cases;
};

TEST(Bench, ComputesRatesFromTimes) {
  FakeSubject subject;
  const BenchReport report = bench_subject(subject, {.prompt = 100, .generate = 21, .batch = 4}, 3);
  EXPECT_EQ(subject.cases.size(), 4U) << "one to warm up";
  EXPECT_DOUBLE_EQ(report.prefill_tok_s, 100 * 4 / 2.0);
  EXPECT_DOUBLE_EQ(report.decode_tok_s, 20 * 4 / 4.0);
  EXPECT_DOUBLE_EQ(report.bytes_per_step, 1000 + 2 * 110.5 * 4);
  EXPECT_DOUBLE_EQ(report.decode_percent_of_read,
                   100 * report.bytes_per_step * 5 / (report.probe_read_gb_s * 1e9));
  EXPECT_DOUBLE_EQ(report.prefill_percent_of_compute,
                   100 * 5 * 200 / (report.probe_compute_gf * 1e9));
  EXPECT_EQ(report.spread, 0);
  EXPECT_EQ(report.rounds + report.discarded, 3);
  EXPECT_DOUBLE_EQ(report.collective_share_decode, 0.25);
  EXPECT_DOUBLE_EQ(report.collective_share_prefill, 0.25);
  EXPECT_EQ(report.ops.decode_passes, 20 * report.rounds) << "of the rounds that count";
}

TEST(Bench, SaysWhichRoundRuns) {
  FakeSubject subject;
  std::vector<int> said;
  bench_subject(subject, {.prompt = 1, .generate = 2}, 2, [&said](int i) { said.push_back(i); });
  EXPECT_EQ(said, (std::vector<int>{0, 1, 2}));
}

TEST(Bench, TimesOfOpsAreMeansOverRanksBetweenReports) {
  const auto rank = [](double qkv, double collective, int64_t passes) {
    RankReport report;
    report.ops = {{"qkv", qkv, 10 * qkv}, {"collective", collective, 10 * collective}};
    report.prefill_passes = report.decode_passes = passes;
    return report;
  };
  const OpTimes times = op_times_between({rank(1, 1, 2), rank(1, 2, 2)},  //
                                         {rank(4, 1, 5), rank(2, 4, 5)});
  ASSERT_EQ(times.kinds.size(), 2U);
  EXPECT_EQ(times.kinds[0].name, "qkv");
  EXPECT_DOUBLE_EQ(times.kinds[0].prefill_s, 2);
  EXPECT_DOUBLE_EQ(times.kinds[1].decode_s, 10);
  EXPECT_EQ(times.decode_passes, 3);
  EXPECT_DOUBLE_EQ(prefill_share(times, "collective"), 1.0 / 3);
}

TEST(Bench, RefusesCasesOutOfRange) {
  FakeSubject subject;
  EXPECT_THROW(bench_subject(subject, {.prompt = 0}, 3), Error);
  EXPECT_THROW(bench_subject(subject, {.generate = 1}, 3), Error);
  EXPECT_THROW(bench_subject(subject, {.batch = 0}, 3), Error);
  EXPECT_THROW(bench_subject(subject, {}, 0), Error);
}

}  // namespace
}  // namespace tandem
