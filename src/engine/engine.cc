// The engine on rank 0: one thread makes plans, sends them, runs its own part, samples and hands
// out text.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/check.h"
#include "engine/load_plan.h"
#include "engine/ranks/rank_group.h"
#include "engine/ranks/worker.h"
#include "engine/request_state.h"
#include "engine/rope_policy.h"

namespace tandem {
namespace {

class EngineImpl final : public Engine {
 public:
  EngineImpl(const EngineOptions& options, const std::function<void(double)>& progress);
  ~EngineImpl() override;

  uint64_t submit(Request request, OnToken on_token) override;
  RequestResult wait(uint64_t number) override;
  void cancel(uint64_t number) override;
  const EngineInfo& info() const override { return info_; }
  std::vector<RankReport> report() override;
  const Tokenizer* tokenizer() const override { return tokenizer_.get(); }
  const ChatTemplate* chat_template() const override { return template_.get(); }
  void interrupt(ErrorCode code, const char* reason) override {
    group_->root().host().abort(code, reason);
  }
  void drop_prefix_cache() override {
    call([this] { scheduler_->drop_cache(); });
  }

 private:
  void start_ranks(const EngineOptions& options, const LoadPlan& plan);
  void fill_info(const EngineOptions& options, const LoadPlan& plan, const Checkpoint& checkpoint);
  void loop();
  bool take_work(std::unique_lock<std::mutex>& lock);
  void step();
  void send(const StepPlan& plan);
  void take_logits(int64_t first, int64_t rows, const ParallelHead& head);
  void name_bad_layer();
  void finish_ended();
  void fail_all(const Error& error);
  void end_all(const Error& error);
  void call(std::function<void()> work);
  RequestState* find(uint64_t number);

  EngineInfo info_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<ChatTemplate> template_;
  std::unique_ptr<RankGroup> group_;
  std::unique_ptr<RankModel> model_;
  std::unique_ptr<ModelRope> rope_;
  std::unique_ptr<Scheduler> scheduler_;

  // Used by the engine's thread alone.
  StepPlan plan_;
  std::vector<std::byte> bytes_;
  std::vector<Choice> choices_;
  std::vector<UnitStats> stats_;
  std::vector<float> logits_;
  int64_t vocab_units_ = 0;
  bool nan_ = false;

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::map<uint64_t, std::unique_ptr<RequestState>> requests_;  // all below under mutex_
  std::set<uint64_t> waited_for_;  ///< requests that a thread is in wait() for
  std::deque<std::function<void()>> work_;
  uint64_t next_number_ = 1;
  bool stop_ = false;
  std::unique_ptr<Error> broken_;  ///< why nothing runs any more
  std::thread thread_;
};

EngineImpl::EngineImpl(const EngineOptions& options, const std::function<void(double)>& progress) {
  const auto begin = std::chrono::steady_clock::now();
  auto checkpoint = Checkpoint::open(options.model_path, options.families);
  const LoadPlan plan = plan_load(options, *checkpoint);
  fill_info(options, plan, *checkpoint);
  rope_ = std::make_unique<ModelRope>(checkpoint->spec.rope);
  scheduler_ = std::make_unique<Scheduler>(plan.scheduler, *rope_);
  vocab_units_ = vocabulary_units(checkpoint->spec.vocab).count();
  start_ranks(options, plan);
  bytes_ = encode_setup(plan.setup);
  group_->root().host().broadcast(bytes_);
  try {
    model_ =
        std::make_unique<RankModel>(group_->root(), plan.setup, std::move(checkpoint), progress);
  } catch (const Error& error) {
    group_->root().host().abort(error.code(), error.what());
    throw;
  }
  info_.isa = model_->backend().isa();
  if (options.use_mc2 == "on" && !model_->mc2_note().empty())
    info_.notes.push_back(model_->mc2_note());
  info_.load_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  thread_ = std::thread([this] { loop(); });
}

void EngineImpl::start_ranks(const EngineOptions& options, const LoadPlan&) {
  RankOptions ranks;
  ranks.rank_timeout =
      std::chrono::milliseconds(static_cast<int64_t>(options.rank_timeout_s * 1000));
  group_ = options.ranks_are_threads
               ? RankGroup::start_threads(options.world_size, worker_of(options.families), ranks)
               : RankGroup::start_processes(options.world_size, ranks);
}

void EngineImpl::fill_info(const EngineOptions& options, const LoadPlan& plan,
                           const Checkpoint& checkpoint) {
  const HfFolder& folder = checkpoint.folder;
  info_.family = checkpoint.spec.family;
  info_.device = options.device;
  info_.dtype = dtype_name(plan.setup.decoder.compute);
  info_.kv_cache = dtype_name(plan.setup.decoder.cache);
  info_.quantize = plan.forms.name();
  info_.world_size = options.world_size;
  info_.threads = plan.setup.threads;
  info_.vocab_size = checkpoint.spec.vocab;
  info_.max_seq_len = plan.scheduler.max_seq_len;
  info_.notes = plan.notes;
  info_.sampling = default_sampling(folder);
  info_.end_ids = end_ids(folder, checkpoint.spec);
  namespace fs = std::filesystem;
  for (const char* name : {"tokenizer.json", "tokenizer.model", "qwen.tiktoken"}) {
    if (!fs::exists(fs::path(folder.path) / name)) continue;
    tokenizer_ = Tokenizer::load(folder.path);
    template_ = ChatTemplate::load(folder.path);
    break;
  }
}

EngineImpl::~EngineImpl() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  model_.reset();
  group_.reset();
}

uint64_t EngineImpl::submit(Request request, OnToken on_token) {
  if (!request.stop.empty() && tokenizer_ == nullptr) {
    bad_input("a stop text needs a tokenizer, and the folder has none");
  }
  for (const std::string& stop : request.stop) {
    if (stop.empty()) bad_input("a stop text is empty");
  }
  for (int32_t id : request.prompt_ids) {
    if (id < 0 || id >= info_.vocab_size) {
      bad_input("id {} of the prompt is outside the vocabulary (0 to {})", id,
                info_.vocab_size - 1);
    }
  }
  validate(request.sampling);
  SchedulerRequest scheduled{0, request.prompt_ids, request.score ? 0 : request.max_new_tokens,
                             request.score};
  scheduler_->check_request(scheduled);
  const std::lock_guard lock(mutex_);
  if (broken_ != nullptr) throw Error(*broken_);
  const uint64_t number = scheduled.id = next_number_++;
  requests_.emplace(number,
                    std::make_unique<RequestState>(number, std::move(request), std::move(on_token),
                                                   tokenizer_.get(), info_.vocab_size));
  work_.emplace_back([this, scheduled = std::move(scheduled)]() mutable {
    scheduler_->submit(std::move(scheduled));
  });
  wake_.notify_all();
  return number;
}

RequestResult EngineImpl::wait(uint64_t number) {
  std::unique_lock lock(mutex_);
  const auto entry = requests_.find(number);
  if (entry == requests_.end() || !waited_for_.insert(number).second)
    bad_input("there is no request {} to wait for; each is waited for once", number);
  done_.wait(lock, [&] { return entry->second->done(); });
  RequestResult result = entry->second->take_result();
  waited_for_.erase(number);
  requests_.erase(entry);
  return result;
}

void EngineImpl::cancel(uint64_t number) {
  const std::lock_guard lock(mutex_);
  work_.emplace_back([this, number] { scheduler_->cancel(number); });
  wake_.notify_all();
}

void EngineImpl::call(std::function<void()> work) {
  std::unique_lock lock(mutex_);
  if (broken_ != nullptr) throw Error(*broken_);
  auto finished = std::make_shared<bool>(false);
  work_.emplace_back([this, work = std::move(work), finished] {
    work();
    const std::lock_guard inner(mutex_);
    *finished = true;
    done_.notify_all();
  });
  wake_.notify_all();
  done_.wait(lock, [&] { return *finished || broken_ != nullptr; });
  if (!*finished) throw Error(*broken_);
}

std::vector<RankReport> EngineImpl::report() {
  std::vector<RankReport> reports;
  call([&] {
    StepPlan plan;
    plan.kind = StepKind::kReport;
    send(plan);
    const RankTally own = model_->tally();
    for (const auto& bytes : group_->root().host().gather(std::as_bytes(std::span(&own, 1)))) {
      RankTally tally;
      TANDEM_CHECK(bytes.size() == sizeof tally);
      std::memcpy(&tally, bytes.data(), sizeof tally);
      reports.push_back(report_of(tally));
    }
  });
  return reports;
}

/// Runs what callers asked for between steps. False when the engine ends.
bool EngineImpl::take_work(std::unique_lock<std::mutex>& lock) {
  wake_.wait(lock, [&] { return stop_ || !work_.empty() || !scheduler_->idle(); });
  while (!work_.empty()) {
    const std::function<void()> work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
  return !stop_;
}

void EngineImpl::loop() {
  try {
    std::unique_lock lock(mutex_);
    while (take_work(lock)) {
      lock.unlock();
      step();
      lock.lock();
    }
    lock.unlock();
    StepPlan plan;
    plan.kind = StepKind::kShutdown;
    send(plan);
    end_all(Error(ErrorCode::kAborted, "the engine was closed"));
  } catch (const Error& error) {
    fail_all(error);
  } catch (const std::exception& error) {
    fail_all(Error(ErrorCode::kInternal, error.what()));
  }
}

void EngineImpl::send(const StepPlan& plan) {
  encode(plan, bytes_);
  group_->root().host().broadcast(bytes_);
}

RequestState* EngineImpl::find(uint64_t number) {
  const std::lock_guard lock(mutex_);
  return requests_.at(number).get();
}

void EngineImpl::step() {
  group_->root().host().check();  // interrupt() also ends a run of one rank, which meets nobody
  if (scheduler_->next(plan_)) {
    plan_.full_logits = false;
    for (const LogitRow& row : scheduler_->logit_rows()) {
      if (find(row.request)->needs_full_logits()) plan_.full_logits = true;
    }
    choices_.clear();
    nan_ = false;
    send(plan_);
    model_->forward(plan_, [this](int64_t first, int64_t rows, const ParallelHead& head) {
      take_logits(first, rows, head);
    });
    if (nan_) name_bad_layer();
    scheduler_->finish_step(choices_);
  }
  finish_ended();
}

void EngineImpl::take_logits(int64_t first, int64_t rows, const ParallelHead& head) {
  stats_.resize(static_cast<size_t>(vocab_units_));
  for (int64_t i = 0; i < rows && !nan_; ++i) {
    const LogitRow row = scheduler_->logit_rows()[static_cast<size_t>(first + i)];
    RequestState* state = find(row.request);
    head.read_stats(i, stats_);
    for (const UnitStats& s : stats_) nan_ = nan_ || std::isnan(s.max);
    if (nan_) return;
    logits_.clear();
    if (state->needs_full_logits()) {
      logits_.resize(static_cast<size_t>(info_.vocab_size));
      head.read_logits(i, logits_);
    }
    const Choice choice = state->take_row(row, stats_, logits_);
    if (row.sample) choices_.push_back(choice);
  }
}

/// Runs the step again with a look at the residual after every layer. Keys and values are written
/// once more, the same.
void EngineImpl::name_bad_layer() {
  plan_.verify = true;
  plan_.drop_tables.clear();
  plan_.rope_rows.clear();
  plan_.copies.clear();
  send(plan_);
  model_->forward(plan_, [](int64_t, int64_t, const ParallelHead&) {});
  const std::vector<bool>& finite = model_->decoder().finite();
  const auto bad = std::find(finite.begin(), finite.end(), false);
  const std::string where = bad == finite.end() ? std::string("the head; all layers are finite")
                            : bad == finite.begin()
                                ? std::string("the embedding")
                                : fmt::format("layer {}", bad - finite.begin() - 1);
  fail(ErrorCode::kInternal,
       "NaN in the logits of step {}; the first values that are not finite come from {}; the "
       "checkpoint may be "
       "damaged, or float16 too narrow for it (try --dtype bfloat16 or float32)",
       plan_.step, where);
}

void EngineImpl::finish_ended() {
  for (const EndedRequest& ended : scheduler_->take_ended()) {
    const std::lock_guard lock(mutex_);
    requests_.at(ended.request)->end(ended);
    done_.notify_all();
  }
}

void EngineImpl::fail_all(const Error& error) {
  group_->root().host().abort(error.code(), error.what());
  end_all(error);
}

/// Nothing runs any more: whoever waits gets the error.
void EngineImpl::end_all(const Error& error) {
  const std::lock_guard lock(mutex_);
  broken_ = std::make_unique<Error>(error);
  for (auto& entry : requests_) {
    if (!entry.second->done()) entry.second->fail(Status::failure(error.code(), error.what()));
  }
  done_.notify_all();
}

}  // namespace

std::unique_ptr<Engine> Engine::load(const EngineOptions& options,
                                     const std::function<void(double)>& progress) {
  return std::make_unique<EngineImpl>(options, progress);
}

}  // namespace tandem
