#include "base/thread_pool.h"

#include <chrono>

#include "base/denormals.h"

namespace tandem {
namespace {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Waits busily until ready() or the time is over.
template <typename F>
bool spin_until(int spin_us, F ready) {
  if (ready()) return true;
  if (spin_us <= 0) return false;
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(spin_us);
  do {
    for (int i = 0; i < 64; ++i) {  // the clock is looked at rarely: it costs as much as many looks
      if (ready()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace

ThreadPool::ThreadPool(const Options& options) : spin_us_(options.spin_us) {
  for (int t = 1; t < options.threads; ++t) workers_.emplace_back([this, t] { work(t); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_.store(true);
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::execute(int thread) {
  try {
    job_.call(job_.context, thread, threads());
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
  }
}

void ThreadPool::work(int thread) {
  flush_denormals();
  uint32_t seen = 0;
  while (true) {
    const auto changed = [&] { return generation_.load(std::memory_order_acquire) != seen; };
    if (!spin_until(spin_us_, changed)) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, changed);
    }
    if (stop_.load()) return;
    ++seen;
    execute(thread);
    if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      // The lock orders this against a caller between its last look and its sleep.
      { const std::lock_guard lock(mutex_); }
      done_.notify_one();
    }
  }
}

void ThreadPool::run_job(Job job) {
  const DenormalsFlushed flushed;
  if (workers_.empty()) {
    job.call(job.context, 0, 1);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    job_ = job;
    pending_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  execute(0);
  const auto finished = [&] { return pending_.load(std::memory_order_acquire) == 0; };
  if (!spin_until(spin_us_, finished)) {
    std::unique_lock lock(mutex_);
    done_.wait(lock, finished);
  }
  std::exception_ptr error;
  {
    const std::lock_guard lock(mutex_);
    error = error_;
    error_ = nullptr;
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace tandem
