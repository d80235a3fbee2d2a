// Attention by itself: decode over a long cache beside the read probe, prefill beside the
// multiply-add probe, in rounds with the probes in between. Percentages are medians over rounds.
//   attention_speed [THREADS [ISA [FILTER]]]     FILTER: part of a case's name
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/arithmetic.h"
#include "diag/probe.h"

namespace tandem {
namespace {

struct Case {
  std::string name;
  int64_t q_heads = 0, kv_heads = 0, head_dim = 0;
  DType cache = DType::kBF16;
  int64_t context = 0;  ///< tokens in the cache, those of the step included
  int64_t rows = 1;     ///< tokens of the step
};

double seconds_of(const auto& run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// One case with caches of so many layers that none of their pages stays in the CPU's caches.
class Subject {
 public:
  Subject(Backend& backend, const Case& c) : backend_(backend), c_(c) {
    const int64_t per_layer = 2 * c.kv_heads * c.context * cache_bytes(c.cache, c.head_dim);
    layers_ = c.rows > 1 ? 1 : std::clamp<int64_t>((int64_t{192} << 20) / per_layer, 1, 96);
    const int64_t pages = ceil_div(c.context, kKeyBlock), half = c.head_dim / 2;
    cache_ = backend.make_kv_cache({layers_, c.kv_heads, c.head_dim, c.cache, pages});
    rope_ = backend.make_rope_tables(half);
    rope_->set_rows(0, 0,
                    std::vector<float>(static_cast<size_t>(c.context * (2 * half + 1)), 0.7f));
    batch_ = backend.make_batch();
    chunk_.rope_table = 0;
    for (int32_t p = 0; p < pages; ++p) chunk_.blocks.push_back(p);
    const int64_t width = (c.q_heads + 2 * c.kv_heads) * c.head_dim;
    qkv_ = matrix(DType::kF32, c.context, width);
    std::vector<float> values(static_cast<size_t>(c.context * width));
    for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
    backend.upload(qkv_, std::as_bytes(std::span(values)));
    q_ = matrix(DType::kBF16, c.context, c.q_heads * round_up(c.head_dim, kStep));
    out_ = matrix(DType::kBF16, c.context, q_.cols);
    const int64_t group = c.q_heads / c.kv_heads;
    for (int64_t h = 0; h < c.kv_heads; ++h) segments_.push_back({h, h * group, group});
    for (int64_t layer = 0; layer < layers_; ++layer) append(layer, c.context, 0);
  }

  /// Seconds of one attention op.
  double attention() {
    step(c_.rows, c_.context - c_.rows);
    return seconds_of([&] {
             for (int64_t layer = 0; layer < layers_; ++layer) {
               AttentionArgs args{q_.row_range(0, c_.rows),
                                  batch_.get(),
                                  cache_.get(),
                                  layer,
                                  c_.head_dim,
                                  segments_,
                                  0.125f,
                                  0,
                                  out_.row_range(0, c_.rows)};
               backend_.attention(args);
             }
           }) /
           static_cast<double>(layers_);
  }
  /// Seconds of turning and writing the rows of one step.
  double write() {
    return seconds_of([&] { append(0, c_.rows, c_.context - c_.rows); });
  }
  double bytes() const {
    return 2.0 * static_cast<double>(c_.kv_heads * c_.context * cache_bytes(c_.cache, c_.head_dim));
  }
  /// Of q.k and p.v over visible keys alone.
  double flops() const {
    const double past = static_cast<double>(c_.context - c_.rows);
    const double n = static_cast<double>(c_.rows);
    return 4.0 * static_cast<double>(c_.q_heads * c_.head_dim) * (past * n + n * (n + 1) / 2);
  }

 private:
  Matrix matrix(DType type, int64_t rows, int64_t cols) {
    buffers_.push_back(backend_.allocate(static_cast<size_t>(rows * cols * dtype_bytes(type))));
    return {buffers_.back().get(), 0, type, rows, cols, cols};
  }
  void step(int64_t rows, int64_t position) {
    chunk_.rows = rows;
    chunk_.position = position;
    batch_->set({&chunk_, 1});
  }
  void append(int64_t layer, int64_t rows, int64_t position) {
    step(rows, position);
    backend_.rope_append({qkv_.row_range(0, rows), batch_.get(), rope_.get(), cache_.get(), layer,
                          c_.q_heads, c_.kv_heads, c_.head_dim, q_.row_range(0, rows)});
  }

  Backend& backend_;
  Case c_;
  int64_t layers_ = 1;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<RopeTables> rope_;
  std::unique_ptr<DeviceBatch> batch_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  SequenceChunk chunk_;
  Matrix qkv_, q_, out_;
  std::vector<HeadSegment> segments_;
};

std::vector<Case> cases() {
  struct Heads {
    const char* name;
    int64_t q, kv, dim;
  };
  std::vector<Case> all;
  for (const Heads& h : {Heads{"tinyllama", 32, 4, 64}, Heads{"smollm2", 9, 3, 64},
                         Heads{"llama-2-7b", 32, 32, 128}}) {
    for (DType type : {DType::kBF16, DType::kI8}) {
      const auto add = [&](const char* what, int64_t context, int64_t rows) {
        all.push_back({fmt::format("{} {} {} {}", what, h.name, context, dtype_name(type)), h.q,
                       h.kv, h.dim, type, context, rows});
      };
      for (int64_t context : {512, 2048, 8192}) add("decode", context, 1);
      for (int64_t context : {512, 2048}) add("prefill", context, context);
    }
  }
  return all;
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

void measure(Backend& backend, const Case& c, int threads, ReadProbe& reads) {
  constexpr int kRounds = 5;
  const ComputeProbe fma = compute_probe(std::string(backend.isa()), "float32", false);
  Subject subject(backend, c);
  subject.attention();
  std::vector<double> percent, micros, writes;
  for (int round = 0; round < kRounds; ++round) {
    double probe = c.rows == 1 ? reads.measure(1) : gflops(fma, threads);
    double best = subject.attention();
    if (c.rows == 1) best = std::min(best, subject.attention());
    const double again = c.rows == 1 ? reads.measure(1) : gflops(fma, threads);
    probe = (probe + again) / 2;
    percent.push_back(100 * (c.rows == 1 ? subject.bytes() : subject.flops()) / best / 1e9 / probe);
    micros.push_back(best * 1e6);
    writes.push_back(subject.write() * 1e6);
  }
  fmt::print("{:<34} {:>10.1f} us {:>6.1f} % of the {} probe   write {:>8.1f} us\n", c.name,
             median(micros), median(percent), c.rows == 1 ? "read" : "fma", median(writes));
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  BackendOptions options;
  options.threads = argc > 1 ? std::stoi(argv[1]) : 2;
  if (argc > 2) options.isa = argv[2];
  const std::string filter = argc > 3 ? argv[3] : "";
  const auto backend = make_backend(options);
  ReadProbe reads(options.threads, size_t{192} << 20, std::string(backend->isa()));
  fmt::print("{} threads, {}\n", options.threads, backend->isa());
  for (const Case& c : cases()) {
    if (c.name.find(filter) != std::string::npos) measure(*backend, c, options.threads, reads);
  }
  return 0;
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) { return tandem::run(argc, argv); }
