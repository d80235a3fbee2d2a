// The compute threads of one rank. Every run() is a meeting of all of them: the caller is thread 0,
// works with the others and returns when all are done. The threads flush denormals.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace tandem {

class ThreadPool {
 public:
  struct Options {
    int threads = 1;
    /// Longest busy wait before a thread sleeps, in microseconds; 0: sleep at once (more threads or
    /// ranks than cores).
    int spin_us = 100;
  };
  explicit ThreadPool(const Options& options);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  /// Of several threads, since the start.
  int64_t meetings() const { return generation_.load(std::memory_order_relaxed); }

  /// Calls fn(thread, threads) once on every thread, the caller's included, and waits for all. The
  /// first exception is thrown again here. Not to be called from inside fn, nor by two threads.
  template <typename F>
  void run(F&& fn) {
    run_job(
        {[](void* f, int thread, int threads) { (*static_cast<F*>(f))(thread, threads); }, &fn});
  }

 private:
  struct Job {
    void (*call)(void*, int, int) = nullptr;
    void* context = nullptr;
  };
  void run_job(Job job);
  void work(int thread);
  void execute(int thread);

  const int spin_us_;
  Job job_;
  std::atomic<uint32_t> generation_{0};  ///< one step per job; its change publishes job_
  std::atomic<int> pending_{0};          ///< workers that have not finished the job
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::exception_ptr error_;  ///< guarded by mutex_
  std::vector<std::thread> workers_;
};

/// The part [begin, end) of `count` items that `thread` of `threads` takes: the same items for the
/// same thread every time, so that each core meets the same weights again.
struct Share {
  int64_t begin = 0;
  int64_t end = 0;
};
constexpr Share share_of(int64_t count, int thread, int threads) {
  return {count * thread / threads, count * (thread + 1) / threads};
}

}  // namespace tandem
