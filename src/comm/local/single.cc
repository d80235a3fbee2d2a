#include "comm/local/single.h"

#include <array>

#include "base/check.h"
#include "comm/layout.h"

namespace tandem {

namespace {

class SingleComm final : public DeviceComm {
 public:
  SingleComm(Backend& backend, const DeviceCommSpec& spec)
      : backend_(backend),
        layout_(spec, 1),
        memory_(backend.allocate(layout_.total_floats() * sizeof(float))) {}

  int rank() const override { return 0; }
  int size() const override { return 1; }

  void partial_buffers(int64_t rows, int64_t cols, std::span<Matrix> out) override {
    layout_.check_partial(rows, cols, static_cast<int64_t>(out.size()));
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = at(layout_.partial(parity_, 0, static_cast<int64_t>(i)), rows, cols);
    }
  }

  Matrix all_reduce(int64_t rows, int64_t cols, std::span<const int32_t> nodes_per_rank,
                    const TreeProgram& program) override {
    TANDEM_CHECK(nodes_per_rank.size() == 1 && nodes_per_rank[0] == program.leaves());
    TANDEM_CHECK(program.leaves() > 0 && program.results() == 1);
    layout_.check_partial(rows, cols, program.leaves());
    ++calls_;
    const int parity = parity_;
    parity_ ^= 1;  // the next partial sums may be written while this result is read
    if (program.leaves() == 1) return at(layout_.partial(parity, 0, 0), rows, cols);
    inputs_.clear();
    for (int64_t i = 0; i < program.leaves(); ++i) {
      inputs_.push_back(at(layout_.partial(parity, 0, i), rows, cols));
    }
    const Matrix result = at(layout_.result(), rows, cols);
    backend_.tree_add({inputs_, &program, result});
    return result;
  }

  Matrix gather_buffer(int64_t rows, int64_t cols) override {
    layout_.check_gather(rows, cols);
    return at(layout_.gather(gather_parity_), rows, cols);
  }
  void all_gather_columns(const Matrix& m, std::span<const int64_t> begins) override {
    TANDEM_CHECK(begins.size() == 2 && begins[0] == 0 && begins[1] == m.cols);
    gathered();
  }
  void all_gather_rows(const Matrix& m, std::span<const int32_t> owners) override {
    TANDEM_CHECK(static_cast<int64_t>(owners.size()) == m.rows);
    gathered();
  }

  void set_time_limit(std::chrono::milliseconds) override {}
  Counters counters() const override { return {0, calls_}; }

 private:
  Matrix at(int64_t offset, int64_t rows, int64_t cols) {
    return {memory_.get(), offset, DType::kF32, rows, cols, cols};
  }
  void gathered() {
    gather_parity_ ^= 1;
    ++calls_;
  }

  Backend& backend_;
  CommLayout layout_;
  std::unique_ptr<Buffer> memory_;
  std::vector<Matrix> inputs_;
  int parity_ = 0;
  int gather_parity_ = 0;
  int64_t calls_ = 0;
};

}  // namespace

std::unique_ptr<DeviceComm> make_single_comm(Backend& backend, const DeviceCommSpec& spec) {
  return std::make_unique<SingleComm>(backend, spec);
}

}  // namespace tandem
