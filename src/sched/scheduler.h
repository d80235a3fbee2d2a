// Turns requests into step plans: first come first served, prompts in chunks mixed with one row per
// generating sequence, pages reserved for prompt and output at admission (so nothing is ever
// preempted), common prefixes taken from the cache. Integers only; one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sched/rope_policy.h"
#include "step/plan.h"

namespace tandem {

struct SchedulerOptions {
  int64_t blocks = 0;           ///< KV pages of kKeyBlock tokens
  int64_t max_batch = 8;        ///< sequences in one pass
  int64_t prefill_chunk = 512;  ///< prompt tokens per pass, all sequences together
  int64_t max_seq_len = 0;      ///< prompt + output of one request
  int64_t max_logit_rows = 64;  ///< rows of logits per pass; at least max_batch
  bool prefix_cache = true;
  bool verify = false;  ///< copied into every plan
};

struct SchedulerRequest {
  uint64_t id = 0;  ///< unique among the requests that have not ended
  std::vector<int32_t> prompt;
  int64_t max_new_tokens = 0;  ///< 0: only the prompt is computed (score)
  bool prompt_logits = false;  ///< logits of every prompt row; such a request reuses no prefix
};

/// Whose logits row i of the plan's logit_rows is.
struct LogitRow {
  uint64_t request = 0;
  int64_t position = 0;
  bool sample = false;  ///< an id must be chosen from it (it may be a row of prompt_logits too)
};

/// The id chosen from a row with `sample`.
struct Choice {
  int32_t id = 0;
  bool stop = false;  ///< an end token or a stop text: the request ends with it
};

enum class EndReason { kStop, kLength, kCancelled };

struct EndedRequest {
  uint64_t request = 0;
  EndReason reason = EndReason::kLength;
  int64_t cached_prompt_tokens = 0;
  int64_t new_tokens = 0;
};

/// next(), forward pass, finish_step(), and so on. submit() and cancel() come between the two or
/// between passes; they take effect with the next plan.
class Scheduler {
 public:
  /// `rope` must outlive the scheduler. Throws Error(kBadInput) that names an option out of range.
  Scheduler(const SchedulerOptions& options, RopePolicy& rope);
  ~Scheduler();

  /// Throws Error(kBadInput) when the request can never run: no prompt, more tokens than
  /// max_seq_len, more pages than there are (the message has both numbers). In any thread.
  void check_request(const SchedulerRequest& request) const;
  /// Throws as check_request().
  void submit(SchedulerRequest request);
  /// The most output tokens that submit() accepts after such a prompt; negative: the prompt itself
  /// is too long.
  int64_t max_new_tokens(int64_t prompt_tokens) const;
  /// False when no such request is waiting or running.
  bool cancel(uint64_t id);

  /// Writes the next pass into `plan` (its memory is reused; step numbers count from 1). False:
  /// there is nothing to do, and `plan` is empty.
  bool next(StepPlan& plan);
  /// One entry per plan.logit_rows of the last next().
  std::span<const LogitRow> logit_rows() const;
  /// After the forward pass: one choice per row with `sample`, in order.
  void finish_step(std::span<const Choice> choices);

  /// Requests that have ended since the last call, in order of their end.
  std::vector<EndedRequest> take_ended();

  bool idle() const;  ///< nothing waits and nothing runs
  int64_t running() const;
  int64_t waiting() const;
  int64_t free_blocks() const;    ///< pages that hold nothing
  int64_t cached_blocks() const;  ///< pages kept for reuse only; given away when needed
  /// Gives every cached page back (a cold cache).
  void drop_cache();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem
