#include "kv/prefix_cache.h"

#include <gtest/gtest.h>

#include <list>
#include <map>
#include <random>

#include "base/arithmetic.h"
#include "tandem/error.h"

namespace tandem {
namespace {

std::vector<CacheToken> tokens(int64_t n, int32_t first = 0) {
  std::vector<CacheToken> result;
  for (int64_t i = 0; i < n; ++i) result.push_back(cache_token(first + static_cast<int32_t>(i), 0));
  return result;
}

int64_t pages(int64_t n) { return ceil_div(n, kKeyBlock); }

std::vector<int32_t> listed(const BlockTable& table) {
  return {table.blocks().begin(), table.blocks().end()};
}

TEST(BlockPool, CountsReferences) {
  BlockPool pool(2);
  const int32_t a = pool.allocate();
  pool.retain(a);
  EXPECT_EQ(pool.refs(a), 2);
  pool.release(a);
  EXPECT_EQ(pool.free(), 1);
  pool.release(a);
  EXPECT_EQ(pool.free(), 2);
  EXPECT_THROW(pool.release(a), Error);
  pool.allocate();
  pool.allocate();
  EXPECT_THROW(pool.allocate(), Error);
}

TEST(PrefixCache, SharesFullPagesAndCopiesThePartOfOne) {
  BlockPool pool(20);
  PrefixCache cache(pool);
  BlockTable first(pool);
  ASSERT_TRUE(cache.acquire(tokens(150), 149, 4, first));
  const std::vector<int32_t> old = listed(first);
  cache.store(tokens(150), first);
  EXPECT_EQ(cache.pages(), 3);
  EXPECT_EQ(pool.free(), 17);

  auto other = tokens(150);
  other[140] = cache_token(9999, 0);  // differs inside the third page
  BlockTable second(pool);
  const auto reuse = cache.acquire(other, 149, 3, second);
  ASSERT_TRUE(reuse);
  EXPECT_EQ(reuse->tokens, 140);
  ASSERT_TRUE(reuse->copy);
  EXPECT_EQ(reuse->copy->from, old[2]);
  EXPECT_EQ(reuse->copy->to, second.blocks()[2]);
  EXPECT_EQ(second.blocks()[0], old[0]);
  EXPECT_EQ(second.blocks()[1], old[1]);
  EXPECT_NE(second.blocks()[2], old[2]);
  EXPECT_EQ(pool.refs(old[0]), 2);
  EXPECT_EQ(pool.refs(old[2]), 1);
}

TEST(PrefixCache, TheNextTurnTakesItsPageOver) {
  BlockPool pool(10);
  PrefixCache cache(pool);
  BlockTable turn(pool);
  ASSERT_TRUE(cache.acquire(tokens(100), 99, 2, turn));
  const std::vector<int32_t> old = listed(turn);
  cache.store(tokens(100), turn);
  BlockTable next(pool);
  const auto reuse = cache.acquire(tokens(130), 129, 3, next);
  ASSERT_TRUE(reuse);
  EXPECT_EQ(reuse->tokens, 100);
  EXPECT_FALSE(reuse->copy);
  EXPECT_EQ(next.blocks()[1], old[1]);
  EXPECT_EQ(pool.refs(old[1]), 1);
  EXPECT_EQ(cache.pages(), 1);
  // While it runs, nobody else can see the page it writes.
  BlockTable rival(pool);
  EXPECT_EQ(cache.acquire(tokens(130), 129, 3, rival)->tokens, 64);
}

TEST(PrefixCache, AnotherRotationIsAnotherToken) {
  BlockPool pool(10);
  PrefixCache cache(pool);
  BlockTable table(pool);
  ASSERT_TRUE(cache.acquire(tokens(100), 99, 2, table));
  cache.store(tokens(100), table);
  std::vector<CacheToken> scaled;
  for (int32_t i = 0; i < 100; ++i) scaled.push_back(cache_token(i, i < 70 ? 0 : 5));
  BlockTable other(pool);
  EXPECT_EQ(cache.acquire(scaled, 99, 2, other)->tokens, 70);
  EXPECT_EQ(token_id(cache_token(-1, 7)), -1);
}

TEST(PrefixCache, EvictsTheOldestLeafFirstAndKeepsWhatIsHeld) {
  BlockPool pool(6);
  PrefixCache cache(pool);
  for (const int32_t first : {0, 1000, 2000}) {
    BlockTable table(pool);
    ASSERT_TRUE(cache.acquire(tokens(128, first), 127, 2, table));
    cache.store(tokens(128, first), table);
  }
  BlockTable held(pool);  // makes the oldest the one used last, and holds its first page
  EXPECT_EQ(cache.acquire(tokens(65, 0), 64, 2, held)->tokens, 64);
  BlockTable more(pool);
  EXPECT_FALSE(cache.acquire(tokens(320, 5000), 0, 5, more));
  // Its own second page was the oldest leaf then; the next one's is now.
  EXPECT_EQ(cache.acquire(tokens(128, 0), 127, 2, more)->tokens, 64);
  BlockTable last(pool);
  EXPECT_EQ(cache.acquire(tokens(128, 1000), 127, 2, last)->tokens, 64);
}

TEST(PrefixCache, APageToCopyFromIsGivenUpWhenItIsTheLast) {
  BlockPool pool(2);
  PrefixCache cache(pool);
  BlockTable table(pool);
  ASSERT_TRUE(cache.acquire(tokens(128), 127, 2, table));
  cache.store(tokens(128), table);
  BlockTable again(pool);
  const auto reuse = cache.acquire(tokens(128), 127, 2, again);
  ASSERT_TRUE(reuse);
  EXPECT_EQ(reuse->tokens, 64);
  EXPECT_FALSE(reuse->copy);
}

// A naive model: the contents of every page, as an executor would write and copy them. Whatever is
// reused must hold exactly the tokens it is reused for, and a sequence's pages change only by
// itself.
class Model {
 public:
  explicit Model(int64_t blocks) : pool_(blocks), cache_(pool_), content_(blocks) {}

  void start(std::mt19937& rng) {
    Running run{random_tokens(rng), BlockTable(pool_)};
    const auto n = static_cast<int64_t>(run.tokens.size());
    const int64_t free_before = pool_.free();
    const int64_t evictable_before = cache_.evictable();
    const auto reuse = cache_.acquire(run.tokens, n - 1, pages(n), run.table);
    if (!reuse) {
      EXPECT_GT(pages(n), free_before + evictable_before) << "a cold run would have fitted";
      EXPECT_EQ(pool_.free(), free_before);
      return;
    }
    if (reuse->copy) content(reuse->copy->to) = content(reuse->copy->from);
    ASSERT_LT(reuse->tokens, n);
    expect_holds(run, reuse->tokens);
    run.computed = reuse->tokens;
    running_.push_back(std::move(run));
  }

  void compute(std::mt19937& rng) {
    if (running_.empty()) return;
    Running& run = any(rng);
    const auto left = static_cast<int64_t>(run.tokens.size()) - run.computed;
    for (int64_t rows = left == 0 ? 0
                                  : static_cast<int64_t>(rng() % static_cast<uint64_t>(left + 1));
         rows > 0; --rows, ++run.computed) {
      auto& page = content(run.table.blocks()[static_cast<size_t>(run.computed / kKeyBlock)]);
      page.resize(static_cast<size_t>(run.computed % kKeyBlock));  // the rest is not valid any more
      page.push_back(run.tokens[static_cast<size_t>(run.computed)]);
    }
    if (rng() % 2 == 0) cache_.share(run.done(), run.table);
  }

  void finish(std::mt19937& rng) {
    if (running_.empty()) return;
    Running& run = any(rng);
    expect_holds(run, run.computed);
    cache_.store(run.done(), run.table);
    running_.remove_if([&run](const Running& one) { return &one == &run; });
  }

  void check() {
    std::map<int32_t, int> holders;
    for (const Running& run : running_)
      for (const int32_t block : run.table.blocks()) ++holders[block];
    int64_t held_by_runs_only = 0;
    for (int32_t block = 0; block < pool_.size(); ++block) {
      const int extra = pool_.refs(block) - holders[block];
      ASSERT_TRUE(extra == 0 || extra == 1) << "page " << block;
      held_by_runs_only += pool_.refs(block) > 0 && extra == 0 ? 1 : 0;
    }
    ASSERT_EQ(pool_.free() + cache_.pages() + held_by_runs_only, pool_.size());
  }

  void end(std::mt19937& rng) {
    while (!running_.empty()) finish(rng);
    EXPECT_EQ(cache_.evictable(), cache_.pages());
    cache_.clear();
    EXPECT_EQ(pool_.free(), pool_.size());
  }

 private:
  struct Running {
    std::vector<CacheToken> tokens;
    BlockTable table;
    int64_t computed = 0;
    std::span<const CacheToken> done() const {
      return std::span(tokens).first(static_cast<size_t>(computed));
    }
  };

  /// Few different ones, so that prefixes are common.
  static std::vector<CacheToken> random_tokens(std::mt19937& rng) {
    std::vector<CacheToken> result;
    const int64_t n = 1 + static_cast<int64_t>(rng() % 300);
    const int64_t branch = static_cast<int64_t>(rng() % 300);
    const auto kind = static_cast<int32_t>(rng() % 3);
    for (int64_t i = 0; i < n; ++i) result.push_back(cache_token(i < branch ? 1 : 2 + kind, 0));
    return result;
  }
  Running& any(std::mt19937& rng) {
    return *std::next(running_.begin(), static_cast<int64_t>(rng() % running_.size()));
  }
  std::vector<CacheToken>& content(int32_t block) { return content_[static_cast<size_t>(block)]; }
  void expect_holds(const Running& run, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const auto& page = content(run.table.blocks()[static_cast<size_t>(i / kKeyBlock)]);
      ASSERT_GT(static_cast<int64_t>(page.size()), i % kKeyBlock);
      ASSERT_EQ(page[static_cast<size_t>(i % kKeyBlock)], run.tokens[static_cast<size_t>(i)]);
    }
  }

  BlockPool pool_;
  PrefixCache cache_;
  std::vector<std::vector<CacheToken>> content_;
  std::list<Running> running_;
};

TEST(PrefixCache, RandomOperationsAgreeWithANaiveModel) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 rng(seed);
    Model model(5 + seed % 20);
    for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i) {
      switch (rng() % 4) {
        case 0:
          model.start(rng);
          break;
        case 1:
          model.finish(rng);
          break;
        default:
          model.compute(rng);
      }
      model.check();
    }
    model.end(rng);
  }
}

}  // namespace
}  // namespace tandem
