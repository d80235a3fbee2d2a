// The engine as the subject of a benchmark.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>

#include "base/check.h"
#include "diag/bench_subject.h"
#include "diag/op_times.h"
#include "model/families.h"
#include "model/random_model.h"
#include "model/shard.h"
#include "tandem/diag.h"
#include "tensor/quantization.h"

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kCountedPrompt =
    9;  ///< tokens of the prompt from which multiply-adds are counted

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

/// When new ids came, over all sequences of a run. Filled by the engine's thread.
struct Arrivals {
  std::mutex mutex;
  std::vector<Clock::time_point> first;  // per sequence
  std::vector<Clock::time_point> all;    // in order
};

class EngineSubject final : public BenchSubject {
 public:
  explicit EngineSubject(const EngineOptions& options)
      : engine_(Engine::load(options)), model_(options.model_path) {
    measure_macs();
  }

  BenchFacts facts() const override {
    const EngineInfo& info = engine_->info();
    BenchFacts facts;
    const size_t prefix = model_.starts_with(kShapePrefix) ? kShapePrefix.size() : 0;
    facts.model = model_.substr(prefix);
    facts.isa = info.isa;
    facts.dtype = info.dtype;
    facts.quantize = info.quantize;
    facts.world_size = info.world_size;
    facts.threads = info.threads;
    facts.load_s = info.load_s;
    facts.weight_bytes = weight_bytes();
    facts.kv_bytes_per_token = kv_bytes();
    facts.flops_per_token = 2 * block_macs_;
    return facts;
  }

  BenchRun run(const BenchCase& one) override {
    const std::vector<RankReport> before = engine_->report();
    Arrivals arrivals;
    arrivals.first.resize(static_cast<size_t>(one.batch));
    const Clock::time_point begin = Clock::now();
    std::vector<uint64_t> numbers;
    for (int64_t i = 0; i < one.batch; ++i) {
      const auto on_token = [&arrivals, i](int32_t id, const std::string&) {
        if (id < 0) return;
        const std::scoped_lock lock(arrivals.mutex);
        arrivals.all.push_back(Clock::now());
        Clock::time_point& first = arrivals.first[static_cast<size_t>(i)];
        if (first == Clock::time_point{}) first = arrivals.all.back();
      };
      numbers.push_back(engine_->submit(request(one.prompt, one.generate, i), on_token));
    }
    for (const uint64_t number : numbers) {
      const RequestResult result = engine_->wait(number);
      if (!result.status.ok) throw Error(result.status.code, result.status.message);
    }
    const Clock::time_point ready = *std::max_element(arrivals.first.begin(), arrivals.first.end());
    BenchRun run;
    run.prefill_s = seconds(ready - begin);
    run.decode_s = seconds(arrivals.all.back() - ready);
    run.decode_tokens = std::count_if(arrivals.all.begin(), arrivals.all.end(),
                                      [ready](Clock::time_point at) { return at > ready; });
    run.ops = op_times_between(before, engine_->report());
    return run;
  }

 private:
  /// Ids without a pattern, another row of them for each sequence.
  Request request(int64_t prompt, int64_t generate, int64_t sequence) const {
    Request result;
    uint64_t state = 0x9e3779b97f4a7c15U + static_cast<uint64_t>(sequence);
    const auto vocab = static_cast<uint64_t>(engine_->info().vocab_size);
    for (int64_t i = 0; i < prompt; ++i) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      result.prompt_ids.push_back(static_cast<int32_t>((state >> 33) % vocab));
    }
    result.sampling.temperature = 0;
    result.max_new_tokens = generate;  // no end ids: all of them come
    return result;
  }

  /// Of one decode step, as the weights are kept. Several forms in one model are not told apart by
  /// the ranks' counts: all that they keep.
  double weight_bytes() const {
    const EngineInfo& info = engine_->info();
    if (info.quantize == "none")
      return (block_macs_ + head_macs_) * (info.dtype == "float32" ? 4 : 2);
    using enum WeightFormat;
    for (const WeightFormat format : {kInt8, kInt8Min, kInt4, kInt4Min}) {
      if (info.quantize != format_name(format)) continue;
      return block_macs_ * bytes_per_weight(format) +
             head_macs_ * bytes_per_weight(vocabulary_form(format));
    }
    double kept = 0;
    for (const RankReport& rank : engine_->report()) kept += static_cast<double>(rank.weight_bytes);
    return kept;
  }

  static double bytes_per_weight(WeightFormat format) {
    return static_cast<double>(group_bytes(format)) / kQuantGroup;
  }

  double macs() {
    double sum = 0;
    for (const RankReport& rank : engine_->report()) sum += static_cast<double>(rank.macs);
    return sum;
  }

  /// From what the ranks counted themselves: n rows through the blocks, one through the head,
  /// twice.
  void measure_macs() {
    auto count = [this](int64_t prompt) {
      const double before = macs();
      const RequestResult result = engine_->run(request(prompt, 1, 0));
      if (!result.status.ok) throw Error(result.status.code, result.status.message);
      return macs() - before;
    };
    const double one = count(1);
    block_macs_ = (count(kCountedPrompt) - one) / (kCountedPrompt - 1);
    head_macs_ = one - block_macs_;
  }

  /// Keys and values of one token, all layers.
  double kv_bytes() const {
    const HfFolder folder = open_model_config(model_);
    const ModelSpec spec = read_model_spec(folder.config, folder.config_path);
    DType type = DType::kF32;
    for (DType t : {DType::kBF16, DType::kF16, DType::kI8}) {
      if (engine_->info().kv_cache == dtype_name(t)) type = t;
    }
    return 2.0 *
           static_cast<double>(spec.layers * spec.kv_heads * cache_bytes(type, spec.head_dim));
  }

  std::unique_ptr<Engine> engine_;
  std::string model_;
  double block_macs_ = 0;  // per token, all ranks
  double head_macs_ = 0;   // per row of logits
};

/// Every point with one engine.
void bench_engine(const EngineOptions& engine, const BenchOptions& options,
                  const std::function<void(const BenchReport&)>& done) {
  const std::string where = fmt::format(
      "{}, {} rank{}{}", engine.model_path, engine.world_size, engine.world_size == 1 ? "" : "s",
      engine.quantize == "none" ? std::string() : ", " + engine.quantize);
  const auto say = [&](const std::string& what) {
    if (options.progress) options.progress(what.empty() ? what : where + ": " + what);
  };
  say("loading");
  EngineSubject subject(engine);
  for (const BenchCase& point : options.points) {
    const auto round = [&](int number) {
      say(fmt::format("prompt {}, batch {}: {}", point.prompt, point.batch,
                      number == 0 ? std::string("warming up")
                                  : fmt::format("round {} of {}", number, options.rounds)));
    };
    const BenchReport report = bench_subject(subject, point, options.rounds, round);
    say("");
    done(report);
  }
}

}  // namespace

void bench(const BenchOptions& options, const std::function<void(const BenchReport&)>& done) {
  EngineOptions engine = options.engine;
  engine.prefix_cache = false;
  engine.time_ops = true;
  engine.max_seq_len = std::max(engine.max_seq_len, kCountedPrompt + 1);
  for (const BenchCase& point : options.points) {
    engine.max_batch = std::max(engine.max_batch, point.batch);
    engine.max_seq_len = std::max(engine.max_seq_len, point.prompt + point.generate);
  }
  for (const std::string& quantize : options.quantize) {
    engine.quantize = quantize;
    for (const int world_size : options.world_sizes) {
      engine.world_size = world_size;
      bench_engine(engine, options, done);
    }
  }
}

std::vector<std::string> bench_shapes() { return shape_names(); }

}  // namespace tandem
