// Engines on the reference models with threads as ranks, and the digests of what they answer.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/golden.h"
#include "tandem/engine.h"

namespace tandem::test {

inline EngineOptions options_for(const std::string& folder, int world_size = 1) {
  EngineOptions options;
  options.model_path = folder;
  options.world_size = world_size;
  options.threads = 1;
  options.ranks_are_threads = true;
  return options;
}

inline Request greedy(const std::vector<int64_t>& prompt, int64_t tokens) {
  Request request;
  request.prompt_ids = {prompt.begin(), prompt.end()};
  request.sampling.temperature = 0;
  request.max_new_tokens = tokens;
  request.digest = true;
  request.logits_last = true;
  return request;
}

/// Digests of all prompts, given to the engine at once so that they share batches.
inline std::vector<uint64_t> digests(Engine& engine,
                                     const std::vector<std::vector<int64_t>>& prompts) {
  std::vector<uint64_t> numbers, found;
  for (const auto& prompt : prompts) numbers.push_back(engine.submit(greedy(prompt, 5)));
  for (uint64_t number : numbers) {
    const RequestResult r = engine.wait(number);
    EXPECT_TRUE(r.status.ok) << r.status.message;
    found.push_back(r.digest);
  }
  return found;
}

inline std::vector<std::vector<int64_t>> prompts_of(const GoldenModel& model) {
  std::vector<std::vector<int64_t>> prompts;
  for (const auto& c : model.cases) prompts.push_back(c.prompt);
  return prompts;
}

}  // namespace tandem::test
