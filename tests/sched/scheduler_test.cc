#include "sched/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <set>

#include "base/arithmetic.h"
#include "tandem/error.h"

namespace tandem {
namespace {

/// Stands for the model: a page slot holds a number made from all tokens up to it; the next id of a
/// sequence is made from the last of these. So a wrong page, position, copy or id changes the
/// output.
class FakeModel {
 public:
  explicit FakeModel(int64_t blocks) : slots_(static_cast<size_t>(blocks * kKeyBlock)) {}

  static uint64_t mix(uint64_t state, int64_t id, int64_t position, int64_t table) {
    state =
        (state ^ static_cast<uint64_t>(id * 1000003 + position * 31 + table)) * 0x9e3779b97f4a7c15U;
    return state ^ (state >> 29);
  }
  static int32_t next_id(uint64_t state) { return static_cast<int32_t>(state % 1000); }

  /// The states of plan.logit_rows.
  std::vector<uint64_t> run(const StepPlan& plan) {
    for (const PageCopy& copy : plan.copies)
      for (int64_t i = 0; i < kKeyBlock; ++i) slot(copy.to, i) = slot(copy.from, i);
    std::vector<uint64_t> row_states;
    for (const PlanChunk& chunk : plan.chunks) {
      const auto blocks = plan.blocks_of(chunk);
      for (int64_t i = 0; i < chunk.rows; ++i) {
        const int64_t at = chunk.position + i;
        auto page = [&](int64_t p) { return blocks[static_cast<size_t>(p / kKeyBlock)]; };
        const uint64_t before = at == 0 ? 0 : slot(page(at - 1), (at - 1) % kKeyBlock);
        const int32_t id = plan.ids[static_cast<size_t>(chunk.row_begin + i)];
        row_states.push_back(mix(before, id, at, chunk.rope_table));
        slot(page(at), at % kKeyBlock) = row_states.back();
      }
    }
    std::vector<uint64_t> wanted;
    for (const int32_t row : plan.logit_rows)
      wanted.push_back(row_states[static_cast<size_t>(row)]);
    return wanted;
  }

 private:
  uint64_t& slot(int32_t block, int64_t offset) {
    return slots_[static_cast<size_t>(block * kKeyBlock + offset)];
  }
  std::vector<uint64_t> slots_;
};

/// As Hugging Face's `dynamic` with a limit of 100: prompts have a table by their length, generated
/// tokens share table 1 whose rows differ by position.
class DynamicRope final : public RopePolicy {
 public:
  void begin(int64_t prompt, int64_t, StepPlan& plan) override {
    ++open_;
    if (users_[prompt]++ == 0 && prompt > 100)
      plan.rope_rows.push_back({table(prompt, 0), 0, {1, 0, 1}});
  }
  void end(int64_t prompt, StepPlan& plan) override {
    --open_;
    if (--users_[prompt] == 0 && prompt > 100) plan.drop_tables.push_back(table(prompt, 0));
  }
  int32_t table(int64_t prompt, int64_t position) const override {
    return static_cast<int32_t>(key(prompt, position));
  }
  uint32_t key(int64_t prompt, int64_t position) const override {
    const int64_t n = position < prompt ? prompt : position + 1;
    return n <= 100 ? 0 : static_cast<uint32_t>(n);
  }
  int open() const { return open_; }

 private:
  std::map<int64_t, int> users_;
  int open_ = 0;
};

struct Result {
  std::vector<int32_t> output;
  std::vector<uint64_t> prompt_rows;
  EndedRequest ended;
  bool done = false;
};

/// What the request gives when it runs alone, without chunks, pages or a cache.
Result alone(const SchedulerRequest& request, const RopePolicy& rope) {
  Result result;
  const auto prompt = static_cast<int64_t>(request.prompt.size());
  uint64_t state = 0;
  for (int64_t at = 0; at < prompt; ++at) {
    const int32_t id = request.prompt[static_cast<size_t>(at)];
    state = FakeModel::mix(state, id, at, rope.table(prompt, at));
    if (request.prompt_logits) result.prompt_rows.push_back(state);
  }
  for (int64_t i = 0; i < request.max_new_tokens; ++i) {
    const int32_t id = FakeModel::next_id(state);
    result.output.push_back(id);
    if (id % 50 == 0) break;
    state = FakeModel::mix(state, id, prompt + i, rope.table(prompt, prompt + i));
  }
  return result;
}

class Harness {
 public:
  explicit Harness(const SchedulerOptions& options)
      : options_(options), scheduler(options, rope), model_(options.blocks) {}

  bool step() {
    if (!scheduler.next(plan)) return false;
    check_limits();
    std::vector<std::byte> bytes;
    encode(plan, bytes);
    StepPlan received;
    decode(bytes, received);  // what the scheduler makes is what ranks accept
    const std::vector<uint64_t> states = model_.run(received);
    const auto rows = scheduler.logit_rows();
    EXPECT_EQ(rows.size(), states.size());
    if (between) between();
    std::vector<Choice> choices;
    for (size_t i = 0; i < rows.size(); ++i) {
      Result& result = results[rows[i].request];
      if (requests[rows[i].request].prompt_logits &&
          rows[i].position < static_cast<int64_t>(requests[rows[i].request].prompt.size()))
        result.prompt_rows.push_back(states[i]);
      if (!rows[i].sample) continue;
      const int32_t id = FakeModel::next_id(states[i]);
      result.output.push_back(id);
      choices.push_back({id, id % 50 == 0});
    }
    scheduler.finish_step(choices);
    for (const EndedRequest& ended : scheduler.take_ended()) {
      results[ended.request].ended = ended;
      results[ended.request].done = true;
      order.push_back(ended.request);
    }
    return true;
  }
  void submit(SchedulerRequest request) {
    requests[request.id] = request;
    scheduler.submit(std::move(request));
  }
  void run() {
    while (step() && !testing::Test::HasFatalFailure()) {
    }
  }
  /// All pages are free or in the cache alone, and the cache can be emptied.
  void expect_no_leak() {
    EXPECT_TRUE(scheduler.idle());
    EXPECT_EQ(scheduler.free_blocks() + scheduler.cached_blocks(), options_.blocks);
    scheduler.drop_cache();
    EXPECT_EQ(scheduler.free_blocks(), options_.blocks);
  }

 private:
  void check_limits() {
    int64_t prompt_rows = 0;
    int64_t decode_rows = 0;
    for (const PlanChunk& chunk : plan.chunks) {
      const bool decode = chunk.rows == 1 && prompt_rows == 0;
      (decode ? decode_rows : prompt_rows) += chunk.rows;
    }
    EXPECT_LE(prompt_rows, options_.prefill_chunk);
    EXPECT_LE(decode_rows, options_.max_batch + options_.prefill_chunk);
    EXPECT_LE(static_cast<int64_t>(plan.chunks.size()), options_.max_batch);
    EXPECT_LE(static_cast<int64_t>(plan.logit_rows.size()), options_.max_logit_rows);
    EXPECT_LE(plan.rows(), options_.max_batch + options_.prefill_chunk);
  }

  SchedulerOptions options_;

 public:
  DynamicRope rope;
  Scheduler scheduler;
  StepPlan plan;
  std::map<uint64_t, SchedulerRequest> requests;
  std::map<uint64_t, Result> results;
  std::vector<uint64_t> order;
  std::function<void()> between;

 private:
  FakeModel model_;
};

SchedulerRequest request(uint64_t id, int64_t prompt, int64_t output) {
  SchedulerRequest result;
  result.id = id;
  for (int64_t i = 0; i < prompt; ++i) result.prompt.push_back(static_cast<int32_t>(i % 7 + 1));
  result.max_new_tokens = output;
  return result;
}

SchedulerOptions small() {
  SchedulerOptions options;
  options.blocks = 16;
  options.max_batch = 3;
  options.prefill_chunk = 20;
  options.max_seq_len = 400;
  options.max_logit_rows = 4;
  return options;
}

// Many random requests under random limits: each gives what it gives alone, whatever it ran beside.
TEST(Scheduler, EveryRequestGivesWhatItGivesAlone) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 rng(seed);
    SchedulerOptions options = small();
    options.blocks = 7 + static_cast<int64_t>(rng() % 20);
    options.max_batch = 1 + static_cast<int64_t>(rng() % 6);
    options.prefill_chunk = 1 + static_cast<int64_t>(rng() % 150);
    options.max_logit_rows = options.max_batch + static_cast<int64_t>(rng() % 5);
    options.prefix_cache = seed % 4 != 0;
    Harness harness(options);
    for (uint64_t id = 1; id <= 40; ++id) {
      SchedulerRequest one = request(id, 1 + static_cast<int64_t>(rng() % 220), 0);
      one.max_new_tokens = static_cast<int64_t>(rng() % 60);
      one.prompt_logits = rng() % 5 == 0;
      if (rng() % 2 == 0) one.prompt[rng() % one.prompt.size()] = static_cast<int32_t>(rng() % 9);
      harness.submit(one);
      for (auto steps = rng() % 6; steps > 0; --steps) harness.step();
    }
    harness.run();
    for (const auto& [id, one] : harness.requests) {
      SCOPED_TRACE(id);
      const Result& result = harness.results[id];
      const Result expected = alone(one, harness.rope);
      ASSERT_TRUE(result.done);
      EXPECT_EQ(result.output, expected.output);
      EXPECT_EQ(result.prompt_rows, expected.prompt_rows);
      EXPECT_EQ(result.ended.new_tokens, static_cast<int64_t>(expected.output.size()));
      const bool stop = !expected.output.empty() && expected.output.back() % 50 == 0;
      EXPECT_EQ(result.ended.reason, stop ? EndReason::kStop : EndReason::kLength);
    }
    harness.expect_no_leak();
  }
}

TEST(Scheduler, StartsInOrderOfArrival) {
  Harness harness(small());
  harness.submit(request(1, 200, 1));
  harness.submit(request(2, 900 / 4, 1));
  harness.submit(request(3, 10, 1));
  harness.run();
  EXPECT_THAT(harness.order, testing::ElementsAre(1, 2, 3));
}

TEST(Scheduler, DecodesBesideAPromptInChunks) {
  SchedulerOptions options = small();
  Harness harness(options);
  harness.submit(request(1, 5, 60));
  harness.step();
  harness.submit(request(2, 100, 1));
  harness.step();
  ASSERT_EQ(harness.plan.chunks.size(), 2U);
  EXPECT_EQ(harness.plan.chunks[0].rows, 1);
  EXPECT_EQ(harness.plan.chunks[0].position, 5);
  EXPECT_EQ(harness.plan.chunks[1].rows, 20);
  EXPECT_THAT(harness.plan.logit_rows, testing::ElementsAre(0));
  harness.step();
  EXPECT_EQ(harness.plan.chunks[1].position, 20);
}

TEST(Scheduler, ASecondTurnReusesTheFirstToTheToken) {
  Harness harness(small());
  harness.submit(request(1, 70, 5));
  harness.run();
  SchedulerRequest turn = request(2, 70, 5);
  for (const int32_t id : harness.results[1].output) turn.prompt.push_back(id);
  turn.prompt.push_back(3);
  const auto known = static_cast<int64_t>(69 + harness.results[1].output.size());
  harness.submit(turn);
  harness.run();
  EXPECT_EQ(harness.results[2].ended.cached_prompt_tokens, known);
  EXPECT_EQ(harness.results[2].output, alone(turn, harness.rope).output);
  // The same prompt again: all but the last token, which is always computed.
  harness.submit(request(3, 70, 1));
  harness.run();
  EXPECT_EQ(harness.results[3].ended.cached_prompt_tokens, 69);
}

TEST(Scheduler, AnotherRopeTableReusesNothing) {
  Harness harness(small());
  harness.submit(request(1, 150, 1));
  harness.run();
  harness.submit(request(2, 151, 1));
  harness.submit(request(3, 150, 1));
  harness.run();
  EXPECT_EQ(harness.results[2].ended.cached_prompt_tokens, 0);
  EXPECT_EQ(harness.results[3].ended.cached_prompt_tokens, 149);
}

TEST(Scheduler, RopeTablesAreBegunAndEndedOnce) {
  Harness harness(small());
  harness.submit(request(1, 150, 4));
  harness.step();
  ASSERT_EQ(harness.plan.rope_rows.size(), 1U);
  EXPECT_EQ(harness.plan.rope_rows[0].table, 150);
  harness.run();
  harness.submit(request(2, 3, 1));
  harness.step();
  EXPECT_THAT(harness.plan.drop_tables, testing::ElementsAre(150));
  EXPECT_EQ(harness.rope.open(), 1) << "ends are told with the next plan";
}

TEST(Scheduler, RefusesWhatCanNeverRun) {
  Harness harness(small());
  const auto message = [&](const SchedulerRequest& one) -> std::string {
    try {
      harness.scheduler.submit(one);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadInput);
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(message(request(1, 0, 1)), testing::HasSubstr("empty"));
  EXPECT_THAT(message(request(1, 390, 11)),
              testing::AllOf(testing::HasSubstr("401"), testing::HasSubstr("400")));
  EXPECT_THAT(message(request(1, 401, 0)), testing::HasSubstr("400"));
  EXPECT_THAT(message(request(1, 1, int64_t{1} << 62)), testing::HasSubstr("max_seq_len"));
  SchedulerOptions options = small();
  options.blocks = 2;
  Harness few(options);
  try {
    few.scheduler.submit(request(1, 128, 2));
    ADD_FAILURE() << "needs three pages";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("need 3 KV pages"),
                                             testing::HasSubstr("there are 2 (128 tokens)")));
  }
  EXPECT_EQ(few.scheduler.max_new_tokens(128), 1);
  few.submit(request(2, 128, 1));
  few.run();
  EXPECT_TRUE(few.results[2].done);
  options.max_logit_rows = 1;
  EXPECT_THROW(Scheduler(options, few.rope), Error);
}

TEST(Scheduler, CancelsWaitingAndRunningRequests) {
  Harness harness(small());
  for (uint64_t id = 1; id <= 5; ++id) harness.submit(request(id, 60, 20));
  harness.step();
  EXPECT_TRUE(harness.scheduler.cancel(5));  // waits
  EXPECT_TRUE(harness.scheduler.cancel(1));  // runs, between passes
  EXPECT_FALSE(harness.scheduler.cancel(1));
  EXPECT_FALSE(harness.scheduler.cancel(77));
  bool cancelled = false;
  harness.between = [&] {
    if (!cancelled) {
      EXPECT_TRUE(harness.scheduler.cancel(2));  // during a pass
      EXPECT_TRUE(harness.scheduler.cancel(3));
    }
    cancelled = true;
  };
  harness.run();
  for (const uint64_t id : {1, 2, 3, 5})
    EXPECT_EQ(harness.results[id].ended.reason, EndReason::kCancelled) << id;
  EXPECT_EQ(harness.results[4].output, alone(harness.requests[4], harness.rope).output);
  harness.expect_no_leak();
}

}  // namespace
}  // namespace tandem
