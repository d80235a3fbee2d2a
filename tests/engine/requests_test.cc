// Requests that go wrong reach nobody else: callbacks that throw, waiting twice, an engine closed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>
#include <string>
#include <vector>

#include "tandem/engine.h"

namespace tandem {
namespace {

using testing::HasSubstr;

std::unique_ptr<Engine> small_engine(int world_size) {
  EngineOptions options;
  options.model_path = std::string(TANDEM_TEST_DATA) + "/golden/models/llama-gqa-bf16";
  options.world_size = world_size;
  options.threads = 1;
  options.ranks_are_threads = true;
  return Engine::load(options);
}

Request request() {
  Request r;
  r.prompt_ids = {1, 2, 3};
  r.sampling.temperature = 0;
  r.max_new_tokens = 6;
  return r;
}

TEST(Requests, ACallbackThatThrowsEndsItsOwnRequestAlone) {
  const auto engine = small_engine(2);
  const uint64_t good = engine->submit(request());
  const uint64_t bad = engine->submit(
      request(), [](int32_t, const std::string&) { throw std::runtime_error("no paper"); });
  const uint64_t odd = engine->submit(request(), [](int32_t, const std::string&) { throw 7; });
  EXPECT_TRUE(engine->wait(good).status.ok);
  const RequestResult failed = engine->wait(bad);
  EXPECT_FALSE(failed.status.ok);
  EXPECT_THAT(failed.status.message, HasSubstr("no paper"));
  EXPECT_EQ(failed.output_ids.size(), 1U) << "it ends with the token that could not be told";
  EXPECT_FALSE(engine->wait(odd).status.ok);
  EXPECT_TRUE(engine->run(request()).status.ok);
}

TEST(Requests, AreWaitedForOnce) {
  const auto engine = small_engine(1);
  const uint64_t number = engine->submit(request());
  EXPECT_TRUE(engine->wait(number).status.ok);
  for (const uint64_t unknown : {number, number + 1}) {
    try {
      engine->wait(unknown);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadInput);
      EXPECT_THAT(error.what(), HasSubstr(std::to_string(unknown)));
    }
  }
}

TEST(Requests, AreTakenWhileAStepRuns) {
  const auto engine = small_engine(1);
  std::promise<void> first_id, taken;
  std::atomic<bool> in_time = false, told = false;
  const uint64_t slow = engine->submit(request(), [&](int32_t, const std::string&) {
    if (told.exchange(true)) return;
    first_id.set_value();
    in_time = taken.get_future().wait_for(std::chrono::seconds(60)) == std::future_status::ready;
  });
  first_id.get_future().wait();
  const uint64_t other = engine->submit(request());  // the engine's thread waits for this to return
  taken.set_value();
  EXPECT_TRUE(engine->wait(slow).status.ok);
  EXPECT_TRUE(in_time);
  EXPECT_EQ(engine->wait(other).output_ids.size(), 6U);
}

TEST(Requests, MayComeFromACallback) {
  const auto engine = small_engine(1);
  std::vector<uint64_t> more;
  const uint64_t first = engine->submit(request(), [&](int32_t, const std::string&) {
    if (more.empty()) more.push_back(engine->submit(request()));
  });
  const RequestResult result = engine->wait(first);
  ASSERT_EQ(more.size(), 1U);
  EXPECT_EQ(engine->wait(more.front()).output_ids, result.output_ids);
}

TEST(Requests, ThatNobodyWaitsForDoNotKeepTheEngine) {
  const auto engine = small_engine(3);
  Request endless = request();
  endless.max_new_tokens = 200;
  for (int i = 0; i < 5; ++i) engine->submit(endless);
}

}  // namespace
}  // namespace tandem
