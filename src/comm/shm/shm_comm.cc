// Why the buffers may be reused when they are. A rank that has passed barrier b knows that every
// rank has come to b, so has finished with what it got from the collective before.
// - Partial sums of call k are read after its barrier, until the reader comes to call k+1. They are
//   overwritten by call k+2's, which a rank produces after passing the barrier of k+1. Hence two
//   arenas.
// - The shared result of call k is overwritten after the first barrier of a later call. Hence one.
// - With pieces, the result's first piece is written once all ranks have published their first
// piece,
//   so all have come to this call; the last barrier is the one of end_pieces().
// - A gather area is written before its own barrier, so it needs two, like the arenas.
#include "comm/shm/shm_comm.h"

#include <algorithm>
#include <numeric>

#include "backend/host_buffer.h"
#include "base/arithmetic.h"
#include "base/check.h"
#include "base/cpu_features.h"
#include "comm/layout.h"

namespace tandem {

namespace {

/// A rank that waits for one that is computing burns its core no longer than this.
constexpr auto kSpin = std::chrono::microseconds(200);
/// Columns of a slice are a multiple of this: one cache line of floats.
constexpr int64_t kSliceColumns = 16;

/// What two ranks that meet must agree on, in 64 bits.
uint64_t call_tag(uint64_t kind, int64_t rows, int64_t cols) {
  return kind << 60 | (static_cast<uint64_t>(rows) & 0xfffffff) << 32 |
         (static_cast<uint64_t>(cols) & 0xffffffff);
}

class ShmComm final : public DeviceComm {
 public:
  ShmComm(LocalRanks& host, Backend& backend, const DeviceCommSpec& spec)
      : host_(host),
        backend_(backend),
        layout_(spec, host.size()),
        small_bytes_(spec.small_bytes),
        memory_(host.share_memory(static_cast<size_t>(layout_.total_floats()) * sizeof(float))),
        shared_(wrap_host_memory(memory_->data(), memory_->bytes())),
        private_(backend.allocate(static_cast<size_t>(std::max<int64_t>(small_bytes_, 1)))) {
    const int64_t wanted = static_cast<int64_t>(host.size()) * std::max(spec.threads_per_rank, 1);
    policy_.spin = wanted > usable_cores() ? std::chrono::nanoseconds(0) : kSpin;
    inputs_.reserve(static_cast<size_t>(host.size() * spec.max_nodes_per_rank));
    slices_.reserve(inputs_.capacity());
  }

  int rank() const override { return host_.rank(); }
  int size() const override { return host_.size(); }

  void partial_buffers(int64_t rows, int64_t cols, std::span<Matrix> out) override {
    layout_.check_partial(rows, cols, static_cast<int64_t>(out.size()));
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = at(layout_.partial(parity_, rank(), static_cast<int64_t>(i)), rows, cols);
    }
  }

  Matrix all_reduce(int64_t rows, int64_t cols, std::span<const int32_t> nodes_per_rank,
                    const TreeProgram& program) override;

  bool overlaps() const override { return true; }
  void begin_pieces(const PieceReduce& reduce) override;
  void piece_ready() override;
  Matrix end_pieces() override;

  Matrix gather_buffer(int64_t rows, int64_t cols) override {
    layout_.check_gather(rows, cols);
    return at(layout_.gather(gather_parity_), rows, cols);
  }
  void all_gather_columns(const Matrix& m, std::span<const int64_t> begins) override {
    TANDEM_CHECK(static_cast<int>(begins.size()) == size() + 1);
    TANDEM_CHECK(begins.front() == 0 && begins.back() == m.cols);
    gathered(kGatherColumns, m);
  }
  void all_gather_rows(const Matrix& m, std::span<const int32_t> owners) override {
    TANDEM_CHECK(static_cast<int64_t>(owners.size()) == m.rows);
    gathered(kGatherRows, m);
  }

  void set_time_limit(std::chrono::milliseconds limit) override { policy_.limit = limit; }
  Counters counters() const override { return counters_; }
  void record_into(EventRecorder* recorder) override { recorder_ = recorder; }

 private:
  enum CallKind : uint64_t { kReduce = 1, kReduced, kPieces, kGatherColumns, kGatherRows };

  Matrix at(int64_t offset, int64_t rows, int64_t cols) {
    return {shared_.get(), offset, DType::kF32, rows, cols, cols};
  }
  void collect_inputs(int64_t rows, int64_t cols, std::span<const int32_t> nodes_per_rank,
                      const TreeProgram& program);
  /// This rank's share of columns [begin, end) of the result.
  void add_own_share(const Matrix& result, int64_t begin, int64_t end, const TreeProgram& program);
  void add_piece();
  void meet(uint64_t tag) {
    backend_.synchronize();
    const EventScope scope(recorder_, "wait");
    counters_.wait_s += host_.control().barrier(policy_, tag);
  }
  void gathered(CallKind kind, const Matrix& m) {
    TANDEM_CHECK(m.buffer == shared_.get() && m.offset == layout_.gather(gather_parity_));
    gather_parity_ ^= 1;
    ++counters_.calls;
    meet(call_tag(kind, m.rows, m.cols));
  }

  LocalRanks& host_;
  Backend& backend_;
  CommLayout layout_;
  int64_t small_bytes_;
  std::shared_ptr<SharedMemory> memory_;
  std::unique_ptr<Buffer> shared_;
  std::unique_ptr<Buffer> private_;  ///< results of small calls
  WaitPolicy policy_;
  std::vector<Matrix> inputs_;  ///< of the running call, by leaf
  std::vector<Matrix> slices_;  ///< of inputs_
  PieceReduce pieces_;          ///< the running one
  uint32_t published_ = 0;      ///< pieces before the running call
  uint32_t ready_ = 0;          ///< pieces of the running call that this rank has published
  uint32_t added_ = 0;          ///< pieces of the running call whose share is in the result
  bool in_pieces_ = false;
  int parity_ = 0;
  int gather_parity_ = 0;
  Counters counters_;
  EventRecorder* recorder_ = nullptr;
};

void ShmComm::collect_inputs(int64_t rows, int64_t cols, std::span<const int32_t> nodes_per_rank,
                             const TreeProgram& program) {
  TANDEM_CHECK(static_cast<int>(nodes_per_rank.size()) == size() && !in_pieces_);
  for (int32_t nodes : nodes_per_rank) layout_.check_partial(rows, cols, nodes);
  const int64_t leaves = std::accumulate(nodes_per_rank.begin(), nodes_per_rank.end(), int64_t{0});
  TANDEM_CHECK(leaves > 0 && leaves == program.leaves() && program.results() == 1);
  inputs_.clear();
  for (int r = 0; r < size(); ++r) {
    for (int32_t node = 0; node < nodes_per_rank[r]; ++node) {
      inputs_.push_back(at(layout_.partial(parity_, r, node), rows, cols));
    }
  }
  parity_ ^= 1;
  ++counters_.calls;
}

Matrix ShmComm::all_reduce(int64_t rows, int64_t cols, std::span<const int32_t> nodes_per_rank,
                           const TreeProgram& program) {
  collect_inputs(rows, cols, nodes_per_rank, program);
  meet(call_tag(kReduce, rows, cols));
  if (program.leaves() * rows * cols * static_cast<int64_t>(sizeof(float)) <= small_bytes_) {
    const Matrix result = {private_.get(), 0, DType::kF32, rows, cols, cols};
    backend_.tree_add({inputs_, &program, result});
    return result;
  }
  const Matrix result = at(layout_.result(), rows, cols);
  add_own_share(result, 0, cols, program);
  meet(call_tag(kReduced, rows, cols));
  return result;
}

void ShmComm::add_own_share(const Matrix& result, int64_t begin, int64_t end,
                            const TreeProgram& program) {
  const int64_t blocks = ceil_div(end - begin, kSliceColumns);
  const int64_t first = std::min(end, begin + blocks * rank() / size() * kSliceColumns);
  const int64_t last = std::min(end, begin + blocks * (rank() + 1) / size() * kSliceColumns);
  if (first == last) return;
  const EventScope scope(recorder_, "add", added_);
  slices_.clear();
  for (const Matrix& input : inputs_) slices_.push_back(input.columns(first, last - first));
  backend_.tree_add({slices_, &program, result.columns(first, last - first)});
}

void ShmComm::begin_pieces(const PieceReduce& reduce) {
  TANDEM_CHECK(reduce.program && reduce.begins.size() >= 2);
  TANDEM_CHECK(reduce.begins.front() == 0 && reduce.begins.back() == reduce.cols);
  collect_inputs(reduce.rows, reduce.cols, reduce.nodes_per_rank, *reduce.program);
  pieces_ = reduce;
  published_ = host_.control().published();
  ready_ = added_ = 0;
  in_pieces_ = true;
}

void ShmComm::piece_ready() {
  TANDEM_CHECK(in_pieces_ && ready_ + 1 < pieces_.begins.size());
  backend_.synchronize();
  host_.control().publish(published_ + ++ready_);
  while (added_ < ready_ && host_.control().published_by_all(published_ + added_ + 1)) add_piece();
}

void ShmComm::add_piece() {
  const Matrix result = at(layout_.result(), pieces_.rows, pieces_.cols);
  add_own_share(result, pieces_.begins[added_], pieces_.begins[added_ + 1], *pieces_.program);
  ++added_;
}

Matrix ShmComm::end_pieces() {
  TANDEM_CHECK(in_pieces_ && ready_ + 1 == pieces_.begins.size());
  while (added_ < ready_) {
    {
      const EventScope scope(recorder_, "wait", added_);
      counters_.wait_s += host_.control().wait_published(policy_, published_ + added_ + 1);
    }
    add_piece();
  }
  in_pieces_ = false;
  meet(call_tag(kPieces, pieces_.rows, pieces_.cols));
  return at(layout_.result(), pieces_.rows, pieces_.cols);
}

}  // namespace

std::unique_ptr<DeviceComm> make_shm_comm(LocalRanks& host, Backend& backend,
                                          const DeviceCommSpec& spec) {
  return std::make_unique<ShmComm>(host, backend, spec);
}

}  // namespace tandem
