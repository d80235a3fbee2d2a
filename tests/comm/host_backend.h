// The part of a backend that a transport uses, in plain C++: memory and tree_add.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "backend/host_buffer.h"
#include "base/check.h"

namespace tandem::testing {

inline float* row(const Matrix& m, int64_t i) {
  return reinterpret_cast<float*>(m.buffer->host()) + m.offset + i * m.stride;
}

/// inputs[leaf] added in the tree's order: the definition.
inline float add_serially(const TreeProgram& program, const std::vector<float>& leaves) {
  std::vector<float> stack;
  for (size_t i = 0; i < leaves.size(); ++i) {
    stack.push_back(leaves[i]);
    for (int32_t m = 0; m < program.merges[i]; ++m) {
      const float upper = stack.back();
      stack.pop_back();
      stack.back() = stack.back() + upper;
    }
  }
  TANDEM_CHECK(stack.size() == 1);
  return stack[0];
}

class HostBackend : public Backend {
 public:
  std::string_view device() const override { return "cpu"; }
  std::string_view isa() const override { return "portable"; }
  std::unique_ptr<Buffer> allocate(size_t bytes) override {
    class Owned final : public Buffer {
     public:
      explicit Owned(size_t bytes) : memory_(bytes) {}
      size_t bytes() const override { return memory_.size(); }
      std::byte* host() override { return memory_.data(); }

     private:
      std::vector<std::byte> memory_;
    };
    return std::make_unique<Owned>(bytes);
  }
  void upload(const Matrix& to, std::span<const std::byte> from) override {
    for (int64_t i = 0; i < to.rows; ++i) {
      std::memcpy(row(to, i), from.data() + i * to.cols * 4, static_cast<size_t>(to.cols) * 4);
    }
  }
  void download(const Matrix& from, std::span<std::byte> to) override {
    for (int64_t i = 0; i < from.rows; ++i) {
      std::memcpy(to.data() + i * from.cols * 4, row(from, i), static_cast<size_t>(from.cols) * 4);
    }
  }
  void synchronize() override {}
  void tree_add(const TreeAddArgs& args) override {
    std::vector<float> leaves(args.inputs.size());
    for (int64_t i = 0; i < args.out.rows; ++i) {
      for (int64_t j = 0; j < args.out.cols; ++j) {
        for (size_t n = 0; n < leaves.size(); ++n) leaves[n] = row(args.inputs[n], i)[j];
        row(args.out, i)[j] = add_serially(*args.program, leaves);
      }
    }
  }

  std::unique_ptr<PackedLinear> pack_linear(const LinearSource&) override { unused(); }
  std::unique_ptr<PackedVector> pack_vector(const WeightRows&) override { unused(); }
  std::unique_ptr<KvCache> make_kv_cache(const KvCacheSpec&) override { unused(); }
  std::unique_ptr<RopeTables> make_rope_tables(int64_t) override { unused(); }
  std::unique_ptr<DeviceBatch> make_batch() override { unused(); }
  void embedding(const EmbeddingArgs&) override { unused(); }
  void rms_norm(const RmsNormArgs&) override { unused(); }
  void layer_norm(const LayerNormArgs&) override { unused(); }
  void head_norm(const HeadNormArgs&) override { unused(); }
  void linear(const LinearArgs&) override { unused(); }
  void rope_append(const RopeAppendArgs&) override { unused(); }
  void attention(const AttentionArgs&) override { unused(); }
  void silu_mul(const SiluMulArgs&) override { unused(); }
  void elementwise(const ElementwiseArgs&) override { unused(); }
  void select_rows(const SelectRowsArgs&) override { unused(); }
  void logit_stats(const LogitStatsArgs&) override { unused(); }
  void copy_kv_block(KvCache&, int32_t, int32_t) override { unused(); }
  uint64_t hash(const Matrix&) override { unused(); }
  int64_t macs() const override { return 0; }

 private:
  [[noreturn]] static void unused() {
    fail(ErrorCode::kInternal, "a transport has no business with this op");
  }
};

}  // namespace tandem::testing
