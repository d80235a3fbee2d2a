#include "sched/scheduler.h"

#include <algorithm>
#include <list>
#include <utility>

#include "base/arithmetic.h"
#include "base/check.h"
#include "sched/sequence.h"

namespace tandem {
namespace {

/// Pages for what will be computed: the last new token never is, it has no successor.
int64_t pages_for(int64_t prompt_tokens, int64_t max_new_tokens) {
  return ceil_div(prompt_tokens + std::max<int64_t>(max_new_tokens - 1, 0), kKeyBlock);
}

void check(const SchedulerOptions& options) {
  auto at_least = [](const char* name, int64_t value, int64_t least) {
    if (value < least) bad_input("{} is {}; it must be at least {}", name, value, least);
  };
  at_least("the number of KV pages", options.blocks, 1);
  at_least("max_batch", options.max_batch, 1);
  at_least("prefill_chunk", options.prefill_chunk, 1);
  at_least("max_seq_len", options.max_seq_len, 1);
  at_least("max_logit_rows", options.max_logit_rows, options.max_batch);
}

/// What one pass may still hold.
struct Budget {
  int64_t prompt_rows = 0;
  int64_t logit_rows = 0;
};

}  // namespace

struct Scheduler::Impl {
  Impl(const SchedulerOptions& from, RopePolicy& rope_policy)
      : options(from), rope(rope_policy), pool(from.blocks), cache(pool) {}

  void refuse_if_never(const SchedulerRequest& request) const;
  void admit(StepPlan& plan);
  bool start(Sequence& sequence, StepPlan& plan);
  void plan_decode(Sequence& sequence, StepPlan& plan, Budget& budget);
  void plan_prompt(Sequence& sequence, StepPlan& plan, Budget& budget);
  void add_chunk(Sequence& sequence, int64_t rows, StepPlan& plan);
  void add_logit_row(const Sequence& sequence, int64_t position, StepPlan& plan);
  void append(Sequence& sequence, int32_t id) const;
  void end(Sequence& sequence, EndReason reason);
  bool advance(Sequence& sequence, const Choice* choice);

  SchedulerOptions options;
  RopePolicy& rope;
  BlockPool pool;
  PrefixCache cache;
  std::list<Sequence> waiting;
  std::list<Sequence> running;     // in order of arrival
  std::vector<Sequence*> planned;  // in this pass, in the order of its chunks
  std::vector<LogitRow> logit_rows;
  std::vector<EndedRequest> ended;
  std::vector<int64_t> rope_ends;  // prompt lengths whose RopePolicy::end() is due
  uint64_t step = 0;
  bool in_pass = false;
};

Scheduler::Scheduler(const SchedulerOptions& options, RopePolicy& rope) {
  check(options);
  impl_ = std::make_unique<Impl>(options, rope);
}

Scheduler::~Scheduler() = default;

int64_t Scheduler::max_new_tokens(int64_t prompt_tokens) const {
  const SchedulerOptions& options = impl_->options;
  const int64_t by_pages = options.blocks * kKeyBlock - prompt_tokens;
  return by_pages < 0 ? by_pages : std::min(options.max_seq_len - prompt_tokens, by_pages + 1);
}

void Scheduler::Impl::refuse_if_never(const SchedulerRequest& request) const {
  const auto prompt = static_cast<int64_t>(request.prompt.size());
  const int64_t output = request.max_new_tokens;
  if (prompt == 0) bad_input("the prompt is empty; at least one token is needed");
  if (output < 0) bad_input("max_new_tokens is {}; it must be at least 0", output);
  for (const int32_t id : request.prompt)
    if (id < 0) bad_input("the prompt holds the negative id {}", id);
  if (prompt > options.max_seq_len || output > options.max_seq_len - prompt) {
    bad_input(
        "a prompt of {} tokens and {} new tokens are {} tokens; a sequence may have {} "
        "(max_seq_len)",
        prompt, output, static_cast<uint64_t>(prompt) + static_cast<uint64_t>(output),
        options.max_seq_len);
  }
  const int64_t pages = pages_for(prompt, output);
  if (pages > options.blocks) {
    bad_input(
        "a prompt of {} tokens and {} new tokens need {} KV pages of {} tokens; there are {} "
        "({} tokens)",
        prompt, output, pages, kKeyBlock, options.blocks, options.blocks * kKeyBlock);
  }
}

void Scheduler::check_request(const SchedulerRequest& request) const {
  impl_->refuse_if_never(request);
}

void Scheduler::submit(SchedulerRequest request) {
  check_request(request);
  Sequence& sequence = impl_->waiting.emplace_back(std::move(request), impl_->pool);
  sequence.tokens.reserve(
      static_cast<size_t>(sequence.prompt_tokens() + sequence.request.max_new_tokens));
  for (const int32_t id : sequence.request.prompt) impl_->append(sequence, id);
}

void Scheduler::Impl::append(Sequence& sequence, int32_t id) const {
  const auto position = static_cast<int64_t>(sequence.tokens.size());
  sequence.tokens.push_back(cache_token(id, rope.key(sequence.prompt_tokens(), position)));
}

bool Scheduler::cancel(uint64_t id) {
  Impl& impl = *impl_;
  auto is = [id](const Sequence& sequence) { return sequence.request.id == id; };
  const auto waiting = std::find_if(impl.waiting.begin(), impl.waiting.end(), is);
  if (waiting != impl.waiting.end()) {
    impl.ended.push_back({id, EndReason::kCancelled, 0, 0});
    impl.waiting.erase(waiting);
    return true;
  }
  const auto running = std::find_if(impl.running.begin(), impl.running.end(), is);
  if (running == impl.running.end() || running->cancelled) return false;
  running->cancelled = true;
  if (!impl.in_pass) {
    impl.end(*running, EndReason::kCancelled);
    impl.running.erase(running);
  }
  return true;
}

bool Scheduler::Impl::start(Sequence& sequence, StepPlan& plan) {
  const bool reuses = options.prefix_cache && !sequence.request.prompt_logits;
  // The last prompt token is always computed: its logits are wanted.
  const int64_t limit = reuses ? sequence.prompt_tokens() - 1 : 0;
  const int64_t pages = pages_for(sequence.prompt_tokens(), sequence.request.max_new_tokens);
  const std::optional<Reuse> reuse = cache.acquire(sequence.tokens, limit, pages, sequence.table);
  if (!reuse) return false;
  sequence.computed = sequence.cached = reuse->tokens;
  if (reuse->copy) plan.copies.push_back(*reuse->copy);
  rope.begin(sequence.prompt_tokens(), sequence.prompt_tokens() + sequence.request.max_new_tokens,
             plan);
  return true;
}

/// In order of arrival: one that does not fit yet holds back those behind it, so none starves.
void Scheduler::Impl::admit(StepPlan& plan) {
  while (!waiting.empty() && static_cast<int64_t>(running.size()) < options.max_batch) {
    if (!start(waiting.front(), plan)) return;
    running.splice(running.end(), waiting, waiting.begin());
  }
}

void Scheduler::Impl::add_logit_row(const Sequence& sequence, int64_t position, StepPlan& plan) {
  const bool last = position + 1 == static_cast<int64_t>(sequence.tokens.size());
  const bool sample = last && sequence.request.max_new_tokens > 0;
  logit_rows.push_back({sequence.request.id, position, sample});
  const int64_t row = plan.rows() - sequence.planned + (position - sequence.computed);
  plan.logit_rows.push_back(static_cast<int32_t>(row));
}

void Scheduler::Impl::add_chunk(Sequence& sequence, int64_t rows, StepPlan& plan) {
  sequence.planned = rows;
  planned.push_back(&sequence);
  PlanChunk& chunk = plan.chunks.emplace_back();
  chunk.row_begin = plan.rows();
  chunk.rows = rows;
  chunk.position = sequence.computed;
  chunk.rope_table = rope.table(sequence.prompt_tokens(), sequence.computed);
  chunk.block_begin = static_cast<int64_t>(plan.blocks.size());
  // Only the pages that this pass reads or writes: plans stay small.
  const int64_t pages = ceil_div(sequence.computed + rows, kKeyBlock);
  chunk.block_count = static_cast<int32_t>(pages);
  const auto blocks = sequence.table.blocks().first(static_cast<size_t>(pages));
  plan.blocks.insert(plan.blocks.end(), blocks.begin(), blocks.end());
  for (int64_t i = 0; i < rows; ++i)
    plan.ids.push_back(token_id(sequence.tokens[static_cast<size_t>(sequence.computed + i)]));
}

void Scheduler::Impl::plan_decode(Sequence& sequence, StepPlan& plan, Budget& budget) {
  add_chunk(sequence, 1, plan);
  add_logit_row(sequence, sequence.computed, plan);
  sequence.sampled = true;
  --budget.logit_rows;
}

void Scheduler::Impl::plan_prompt(Sequence& sequence, StepPlan& plan, Budget& budget) {
  const int64_t left = sequence.prompt_tokens() - sequence.computed;
  const bool all_logits = sequence.request.prompt_logits;
  const bool samples = sequence.request.max_new_tokens > 0;
  int64_t rows = std::min(left, budget.prompt_rows);
  if (all_logits) rows = std::min(rows, budget.logit_rows);
  if (samples && rows == left && budget.logit_rows == 0) --rows;  // its last row waits
  if (rows <= 0) return;
  add_chunk(sequence, rows, plan);
  budget.prompt_rows -= rows;
  sequence.sampled = samples && rows == left;
  const int64_t first = all_logits ? sequence.computed : sequence.prompt_tokens() - 1;
  for (int64_t at = first; at < sequence.computed + rows; ++at) {
    if (!all_logits && !sequence.sampled) break;
    add_logit_row(sequence, at, plan);
    --budget.logit_rows;
  }
}

bool Scheduler::next(StepPlan& plan) {
  Impl& impl = *impl_;
  TANDEM_CHECK(!impl.in_pass);
  plan.clear();
  impl.logit_rows.clear();
  if (idle()) return false;
  for (const int64_t prompt_tokens : impl.rope_ends) impl.rope.end(prompt_tokens, plan);
  impl.rope_ends.clear();
  impl.admit(plan);
  Budget budget{impl.options.prefill_chunk, impl.options.max_logit_rows};
  for (Sequence& sequence : impl.running)
    if (!sequence.in_prompt()) impl.plan_decode(sequence, plan, budget);
  for (Sequence& sequence : impl.running)
    if (sequence.in_prompt()) impl.plan_prompt(sequence, plan, budget);
  // Were nothing running, all pages would be free or in the cache alone, and the first request
  // fits.
  TANDEM_CHECK(!plan.chunks.empty());
  plan.step = ++impl.step;
  plan.verify = impl.options.verify;
  impl.in_pass = true;
  return true;
}

std::span<const LogitRow> Scheduler::logit_rows() const { return impl_->logit_rows; }

void Scheduler::Impl::end(Sequence& sequence, EndReason reason) {
  ended.push_back({sequence.request.id, reason, sequence.cached, sequence.new_tokens()});
  rope_ends.push_back(sequence.prompt_tokens());
  if (!options.prefix_cache) return;  // the table gives its pages back
  cache.store(sequence.tokens_computed(), sequence.table);
}

/// The pass has run: what it computed counts, `choice` is the new id if there is one. True: ended.
bool Scheduler::Impl::advance(Sequence& sequence, const Choice* choice) {
  const bool was_in_prompt = sequence.in_prompt();
  sequence.computed += sequence.planned;
  sequence.planned = 0;
  sequence.sampled = false;
  const int64_t most = sequence.request.max_new_tokens;
  if (sequence.cancelled) {
    end(sequence, EndReason::kCancelled);
    return true;
  }
  if (choice != nullptr) append(sequence, choice->id);
  if (choice != nullptr && choice->stop) {
    end(sequence, EndReason::kStop);
    return true;
  }
  if (!sequence.in_prompt() && sequence.new_tokens() == most) {
    end(sequence, EndReason::kLength);
    return true;
  }
  if (was_in_prompt && !sequence.in_prompt() && options.prefix_cache)
    cache.share(sequence.tokens_computed(), sequence.table);
  return false;
}

void Scheduler::finish_step(std::span<const Choice> choices) {
  Impl& impl = *impl_;
  TANDEM_CHECK(impl.in_pass);
  impl.in_pass = false;
  const auto wanted = std::count_if(impl.planned.begin(), impl.planned.end(),
                                    [](const Sequence* one) { return one->sampled; });
  TANDEM_CHECK(static_cast<size_t>(wanted) == choices.size());
  std::vector<const Sequence*> gone;
  size_t next_choice = 0;
  for (Sequence* sequence : impl.planned) {
    const Choice* choice = sequence->sampled ? &choices[next_choice++] : nullptr;
    if (impl.advance(*sequence, choice)) gone.push_back(sequence);
  }
  impl.planned.clear();
  std::erase_if(impl.running, [&](Sequence& sequence) {
    // Admitted, but without a row in this pass.
    if (sequence.cancelled && std::find(gone.begin(), gone.end(), &sequence) == gone.end()) {
      impl.end(sequence, EndReason::kCancelled);
      return true;
    }
    return std::find(gone.begin(), gone.end(), &sequence) != gone.end();
  });
}

std::vector<EndedRequest> Scheduler::take_ended() { return std::exchange(impl_->ended, {}); }

bool Scheduler::idle() const { return impl_->waiting.empty() && impl_->running.empty(); }
int64_t Scheduler::running() const { return static_cast<int64_t>(impl_->running.size()); }
int64_t Scheduler::waiting() const { return static_cast<int64_t>(impl_->waiting.size()); }
int64_t Scheduler::free_blocks() const { return impl_->pool.free(); }
int64_t Scheduler::cached_blocks() const { return impl_->cache.evictable(); }
void Scheduler::drop_cache() { impl_->cache.clear(); }

}  // namespace tandem
