#include "sampling/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "sampling/random.h"
#include "tandem/error.h"

namespace tandem {
namespace {

std::vector<float> random_row(std::mt19937& rng, size_t n, float spread) {
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> row(n);
  for (float& logit : row) logit = normal(rng);
  return row;
}

/// The draw by its definition: candidates in falling order, added in double.
int32_t slow_draw(const std::vector<float>& logits, const Distribution& from, double u) {
  std::vector<int32_t> order = from.kept;
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  double mass = 0;
  for (const int32_t id : order) {
    mass += from.probs[static_cast<size_t>(id)];
    if (mass > u) return id;
  }
  return order.back();
}

TEST(Argmax, LowestIdOnTiesWhereverTheyAre) {
  std::mt19937 rng(5);
  for (const size_t n : {1U, 2U, 15U, 16U, 17U, 1023U, 1024U, 1025U, 5000U}) {
    for (int i = 0; i < 40; ++i) {
      std::vector<float> row(n);
      for (float& logit : row) logit = static_cast<float>(rng() % 5) - 2.0F;
      const auto expected = std::max_element(row.begin(), row.end()) - row.begin();
      ASSERT_EQ(argmax(row), expected);
    }
  }
  const std::vector<float> masked(40, -std::numeric_limits<float>::infinity());
  EXPECT_EQ(argmax(masked), 0);
}

struct FilterCase {
  const char* name;
  SamplingParams params;
};

class SamplerFilters : public testing::TestWithParam<FilterCase> {};

TEST_P(SamplerFilters, DrawsAsTheDefinitionDoes) {
  std::mt19937 rng(6);
  int different = 0;
  int draws = 0;
  for (const size_t n : {1U, 3U, 40U, 700U, 5000U}) {
    for (const float spread : {0.3F, 2.0F, 8.0F}) {
      const std::vector<float> row = random_row(rng, n, spread);
      SamplingParams params = GetParam().params;
      params.seed = rng();
      Sampler sampler(params, static_cast<int64_t>(n));
      const Distribution exact = distribution(row, {}, {}, params);
      for (int64_t position = 0; position < 200; ++position, ++draws) {
        const int32_t id = sampler.sample(row, position);
        ASSERT_GT(exact.probs[static_cast<size_t>(id)], 0) << "outside of the support";
        different += id != slow_draw(row, exact, uniform(params.seed, position)) ? 1 : 0;
      }
    }
  }
  // Weights are float in the one and double in the other: only a draw within 1e-6 of an edge
  // differs.
  EXPECT_LE(different, draws / 500);
}

INSTANTIATE_TEST_SUITE_P(
    All, SamplerFilters,
    testing::Values(FilterCase{"none", {}}, FilterCase{"hot", {.temperature = 3}},
                    FilterCase{"cold", {.temperature = 0.05F}}, FilterCase{"top_k_1", {.top_k = 1}},
                    FilterCase{"top_k_40", {.top_k = 40}},
                    FilterCase{"top_k_huge", {.top_k = 1 << 30}},
                    FilterCase{"top_p_0", {.top_p = 0}}, FilterCase{"top_p_half", {.top_p = 0.5F}},
                    FilterCase{"top_p_most", {.top_p = 0.99F}},
                    FilterCase{"min_p", {.min_p = 0.05F}}, FilterCase{"min_p_1", {.min_p = 1}},
                    FilterCase{"all",
                               {.temperature = 0.7F, .top_k = 200, .top_p = 0.9F, .min_p = 0.02F}}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(Sampler, PenaltiesFollowTheHistory) {
  std::mt19937 rng(7);
  const SamplingParams params{.repetition_penalty = 1.3F,
                              .presence_penalty = 0.4F,
                              .frequency_penalty = 0.2F,
                              .logit_bias = {{5, 1.5F}, {9, -3.0F}, {5, 0.5F}},
                              .seed = 11};
  const std::vector<float> row = random_row(rng, 60, 2);
  Sampler sampler(params, 60);
  const std::vector<int32_t> prompt = {1, 2, 2, 30};
  sampler.set_prompt(prompt);
  std::vector<int32_t> generated;
  for (int64_t position = 0; position < 300; ++position) {
    SamplingParams greedy = params;
    greedy.temperature = 0;
    const Distribution exact = distribution(row, prompt, generated, params);
    const int32_t id = sampler.sample(row, position);
    ASSERT_GT(exact.probs[static_cast<size_t>(id)], 0);
    Sampler fresh(greedy, 60);
    fresh.set_prompt(prompt);
    for (const int32_t seen : generated) fresh.accept(seen);
    ASSERT_EQ(fresh.sample(row, position), distribution(row, prompt, generated, greedy).kept[0]);
    generated.push_back(id);
    sampler.accept(id);
  }
}

// The frequencies of 40,000 draws against the distribution: chi-squared over the support.
TEST(Sampler, FrequenciesFollowTheDistribution) {
  std::mt19937 rng(8);
  const SamplingParams params{.temperature = 1.2F, .top_p = 0.95F, .seed = 3};
  const std::vector<float> row = random_row(rng, 30, 1.5F);
  const Distribution exact = distribution(row, {}, {}, params);
  Sampler sampler(params, 30);
  constexpr int kDraws = 40000;
  std::map<int32_t, int> seen;
  for (int i = 0; i < kDraws; ++i) ++seen[sampler.sample(row, i)];
  double chi = 0;
  for (const int32_t id : exact.kept) {
    const double expected = exact.probs[static_cast<size_t>(id)] * kDraws;
    chi += (seen[id] - expected) * (seen[id] - expected) / expected;
  }
  const auto freedom = static_cast<double>(exact.kept.size() - 1);
  EXPECT_LT(chi, freedom + 5 * std::sqrt(2 * freedom));
}

TEST(Sampler, MaskedIdsAndExtremeTemperatures) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> row = {-inf, 1.0F, -inf, 0.5F};
  Sampler hot({.temperature = 1e30F}, 4);
  Sampler cold({.temperature = 1e-45F}, 4);
  Sampler filtered({.top_k = 3, .top_p = 0.99F, .min_p = 1e-30F}, 4);
  for (int64_t position = 0; position < 300; ++position) {
    EXPECT_EQ(hot.sample(row, position) % 2, 1);
    EXPECT_EQ(cold.sample(row, position), 1);
    EXPECT_EQ(filtered.sample(row, position) % 2, 1);
  }
  const std::vector<float> infinite = {0.0F, inf, 3.0F};
  EXPECT_EQ(Sampler({}, 3).sample(infinite, 0), 1);
}

TEST(Sampler, PlainArgmaxIsKnownBeforehand) {
  EXPECT_TRUE(Sampler({.temperature = 0, .top_k = 7}, 9).plain_argmax());
  EXPECT_FALSE(Sampler({.temperature = 0, .repetition_penalty = 1.1F}, 9).plain_argmax());
  EXPECT_FALSE(Sampler({.temperature = 0, .logit_bias = {{1, 1.0F}}}, 9).plain_argmax());
  EXPECT_FALSE(Sampler({}, 9).plain_argmax());
  EXPECT_THROW(Sampler({.logit_bias = {{9, 1.0F}}}, 9), Error);
}

TEST(Uniform, IsAFunctionOfSeedAndPosition) {
  static_assert(uniform(1, 2) == uniform(1, 2));
  double sum = 0;
  double product = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const double a = uniform(1, i);
    ASSERT_GE(a, 0.0);
    ASSERT_LT(a, 1.0);
    sum += a;
    product += (a - 0.5) * (uniform(2, i) - 0.5);
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.01);
  EXPECT_NEAR(product / kDraws, 0, 0.003);
}

}  // namespace
}  // namespace tandem
