#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/denormals.h"

namespace tandem {
namespace {

TEST(ThreadPool, EveryThreadRunsOnceAndTheCallerWaits) {
  for (int spin : {0, 50}) {
    ThreadPool pool({.threads = 4, .spin_us = spin});
    std::vector<int> calls(4, 0);
    for (int i = 0; i < 500; ++i) {
      pool.run([&](int thread, int threads) {
        ASSERT_EQ(threads, 4);
        ++calls[static_cast<size_t>(thread)];
      });
    }
    for (int c : calls) EXPECT_EQ(c, 500);
  }
}

TEST(ThreadPool, AnExceptionOfAnyThreadReachesTheCaller) {
  ThreadPool pool({.threads = 3, .spin_us = 0});
  for (int bad = 0; bad < 3; ++bad) {
    EXPECT_THROW(pool.run([&](int thread, int) {
      if (thread == bad) throw std::runtime_error("x");
    }),
                 std::runtime_error);
  }
  int sum = 0;
  std::mutex mutex;
  pool.run([&](int, int) {
    const std::lock_guard lock(mutex);
    ++sum;
  });
  EXPECT_EQ(sum, 3);
}

TEST(ThreadPool, ThreadsFlushDenormalsAndTheCallerIsAsBefore) {
  for (int threads : {1, 2}) {
    ThreadPool pool({.threads = threads, .spin_us = 0});
    volatile float tiny = 1e-38f;
    pool.run([&](int, int) { EXPECT_EQ(tiny * 0.1f, 0.0f); });
    EXPECT_NE(tiny * 0.1f, 0.0f);
  }
}

TEST(ThreadPool, SharesCoverEverything) {
  for (int64_t count : {0, 1, 5, 100}) {
    int64_t at = 0;
    for (int t = 0; t < 3; ++t) {
      const Share s = share_of(count, t, 3);
      EXPECT_EQ(s.begin, at);
      at = s.end;
    }
    EXPECT_EQ(at, count);
  }
}

}  // namespace
}  // namespace tandem
