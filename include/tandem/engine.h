// The engine: load a Hugging Face folder over N ranks, submit requests, receive ids and text.
// Thread-safe; two engines in one process work. Standard library types only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tandem/error.h"
#include "tandem/model.h"
#include "tandem/sampling.h"
#include "tandem/text.h"

namespace tandem {

/// To be called first in main() of every program that uses local ranks: returns at once unless this
/// process was started as a worker; then it works and ends the process. A program with families of
/// its own gives the same ones as in EngineOptions: workers are this program once more.
void run_if_worker(int argc, char** argv, const Families& families = {});

struct EngineOptions {
  std::string model_path;
  int world_size = 1;
  int threads = 0;  ///< per rank; 0: cores / world_size, at least 1
  std::string device = "cpu";
  std::string isa = "auto";       ///< auto | portable | avx2 | avx512 | amx
  std::string dtype = "auto";     ///< auto (as stored) | float32 | bfloat16 | float16
  std::string quantize = "none";  ///< none (as stored) | int8 | int4: weights, while loading
  std::string kv_cache =
      "auto";  ///< auto (as dtype; int8 where config.json says so) | int8 | bf16 | f16 | f32
  std::string use_mc2 = "auto";  ///< on | off | auto
  int64_t max_seq_len = 0;       ///< prompt + output; 0: the model's limit, as far as memory goes
  int64_t max_batch = 8;
  int64_t prefill_chunk = 512;  ///< prompt tokens per pass; 0: whole prompts
  double rank_timeout_s = 30;
  bool verify = false;  ///< ranks compare hashes of their replicated residual in every step
  bool prefix_cache = true;
  bool time_ops = false;           ///< fills RankReport::ops; costs some microseconds a step
  bool ranks_are_threads = false;  ///< for tests: ranks as threads of this process
  Families families;               ///< what reads config.json; tandem's own and the program's
};

struct Request {
  std::vector<int32_t> prompt_ids;
  SamplingParams sampling;
  int64_t max_new_tokens = 256;   ///< 0: only score the prompt
  std::vector<int32_t> end_ids;   ///< ids that end the output
  std::vector<std::string> stop;  ///< texts that end it; need a tokenizer
  bool score = false;             ///< log-probabilities and argmax of every prompt position
  bool digest = false;
  bool logits_last =
      false;  ///< the logits row of the last output id (score: of the last prompt id)
};

struct RequestResult {
  Status status;
  std::vector<int32_t> output_ids;
  std::vector<double>
      logprobs;  ///< one per output id, before penalties; score: of each next prompt id (n - 1)
  std::vector<int32_t> argmax;  ///< score: n
  std::string text;
  std::string finish_reason;  ///< "stop" | "length" | "cancelled"
  int64_t cached_prompt_tokens = 0;
  uint64_t digest = 0;  ///< FNV-1a 64 of the logits rows used, in order
  std::vector<float> logits_last;
  double prefill_s = 0;  ///< submission to first logits
  double decode_s = 0;   ///< the rest
};

/// Seconds of a rank's forward passes so far in one kind of op: "qkv", "collective", ... A pass
/// with a row of a prompt is prefill.
struct OpTime {
  std::string name;
  double prefill_s = 0;
  double decode_s = 0;
};

struct RankReport {
  int64_t peak_rss_bytes = 0;  ///< VmHWM
  int64_t weight_bytes = 0;    ///< its slices' elements as they are kept
  int64_t macs = 0;            ///< multiply-adds of its matmuls so far
  std::vector<OpTime> ops;     ///< with EngineOptions::time_ops; together the whole time
  int64_t prefill_passes = 0, decode_passes = 0;  ///< likewise
};

struct EngineInfo {
  std::string family, device, isa, dtype;
  std::string kv_cache;  ///< type of cached keys and values, spelled as dtype
  std::string quantize;  ///< of the blocks' linears: none, int8, int4 ... or mixed
  int world_size = 1;
  int threads = 1;
  int64_t vocab_size = 0;
  int64_t max_seq_len = 0;
  double load_s = 0;
  std::vector<int32_t> end_ids;    ///< generation_config.json's eos_token_id, else config.json's
  SamplingParams sampling;         ///< defaults of generation_config.json
  std::vector<std::string> notes;  ///< what a user should know (an option without effect ...)
};

class Engine {
 public:
  /// Throws Error. `progress` gets the fraction of the weights that rank 0 has loaded; it may throw
  /// to give up.
  static std::unique_ptr<Engine> load(const EngineOptions& options,
                                      const std::function<void(double)>& progress = {});
  /// No other thread may be inside a call. Requests that nobody waits for are dropped.
  virtual ~Engine() = default;

  /// A new id and the text that became certain with it (without a tokenizer: empty). Called from
  /// the engine's thread; id is -1 for the rest of the text at the end.
  /// It may submit() and cancel(), not wait() or report(): these would wait for themselves. When it
  /// throws, its request ends with that failure.
  using OnToken = std::function<void(int32_t id, const std::string& text)>;
  /// Returns the request's number at once; it begins with the next step. Throws Error(kBadInput)
  /// when it can never run.
  virtual uint64_t submit(Request request, OnToken on_token = {}) = 0;
  /// Waits for its end and forgets it: once for each request, else Error(kBadInput).
  virtual RequestResult wait(uint64_t number) = 0;
  /// Takes effect at the next step; wait() then returns with finish_reason "cancelled". Safe in any
  /// thread.
  virtual void cancel(uint64_t number) = 0;
  RequestResult run(Request request, OnToken on_token = {}) {
    return wait(submit(std::move(request), std::move(on_token)));
  }

  virtual const EngineInfo& info() const = 0;
  virtual std::vector<RankReport> report() = 0;
  virtual const Tokenizer* tokenizer() const = 0;         ///< nullptr: the folder has none
  virtual const ChatTemplate* chat_template() const = 0;  ///< nullptr: the folder has none
  /// Makes every pending and later call fail with this reason (a signal). Safe in a signal handler.
  virtual void interrupt(ErrorCode code, const char* reason) = 0;
  virtual void drop_prefix_cache() = 0;
};

}  // namespace tandem
