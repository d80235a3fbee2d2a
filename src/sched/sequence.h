// One request while it waits and runs.
#pragma once

#include "kv/prefix_cache.h"
#include "sched/scheduler.h"

namespace tandem {

struct Sequence {
  Sequence(SchedulerRequest&& from, BlockPool& pool) : request(std::move(from)), table(pool) {}

  SchedulerRequest request;
  std::vector<CacheToken> tokens;  ///< prompt, then what was chosen
  BlockTable table;                ///< pages for all that will ever be computed
  int64_t computed = 0;            ///< tokens whose keys and values are in the pages
  int64_t cached = 0;              ///< of these, taken from the cache
  int64_t planned = 0;             ///< rows in the pass under way
  bool sampled = false;            ///< the last of these rows gives a new id
  bool cancelled = false;          ///< during the pass under way

  int64_t prompt_tokens() const { return static_cast<int64_t>(request.prompt.size()); }
  int64_t new_tokens() const { return static_cast<int64_t>(tokens.size()) - prompt_tokens(); }
  std::span<const CacheToken> tokens_computed() const {
    return std::span(tokens).first(static_cast<size_t>(computed));
  }
  bool in_prompt() const { return computed < prompt_tokens(); }
};

}  // namespace tandem
