// The decoder block: norm, attention, norm, MLP, each half ended by one meeting of the ranks.
#pragma once

#include <memory>
#include <vector>

#include "parallel/linear.h"

namespace tandem {

/// Buffers of one forward pass, made once for the largest step; rows are padded with zeros to whole
/// steps. R: rows of the step, T: activation type.
struct Workspace {
  Matrix residual;   ///< float32 [R, hidden]
  Matrix normed;     ///< T [R, hidden]
  Matrix qkv;        ///< float32 [R, (q + 2 kv) * head_dim]
  Matrix q;          ///< T [R, q * padded head_dim]
  Matrix attended;   ///< T, as q
  Matrix activated;  ///< T [R, feed-forward columns]
};

/// A partial result that the next norm adds to the residual: the output of a row-parallel linear
/// and its bias.
struct Pending {
  Matrix sum;
  const PackedVector* bias = nullptr;
};

/// What all layers of one forward pass share.
struct BlockContext {
  Backend* backend = nullptr;
  const DeviceBatch* batch = nullptr;
  const RopeTables* rope = nullptr;
  KvCache* cache = nullptr;
  OpClock* clock = nullptr;  ///< or off
};

struct AttentionShape {
  int64_t q_heads = 0;   ///< of this rank
  int64_t kv_heads = 0;  ///< of this rank
  int64_t head_dim = 0;
  int64_t window = 0;
  std::vector<HeadSegment> segments;
};

/// One layer of a model.
class Block {
 public:
  virtual ~Block() = default;
  /// Adds `pending` to the residual first; what it returns is added by whoever comes next.
  virtual Pending forward(const BlockContext& context, const Workspace& w,
                          const Pending& pending) = 0;
};

/// The block of LLaMA and Qwen.
class DecoderBlock final : public Block {
 public:
  struct Parts {
    int64_t layer = 0;
    float eps = 0;
    AttentionShape attention;
    std::unique_ptr<PackedVector> attention_norm, mlp_norm;
    std::unique_ptr<PackedVector> q_norm, k_norm;  ///< or nullptr
    std::unique_ptr<PackedVector> attention_bias,
        mlp_bias;  ///< of the row-parallel linears, or nullptr
    std::unique_ptr<QKVColumnParallelLinear> qkv;
    std::unique_ptr<RowParallelLinear> attention_out;
    std::unique_ptr<ColumnParallelLinear> gate_up;
    std::unique_ptr<RowParallelLinear> down;
  };
  explicit DecoderBlock(Parts parts) : p_(std::move(parts)) {}

  Pending forward(const BlockContext& context, const Workspace& w, const Pending& pending) override;

 private:
  Matrix attention(const BlockContext& context, const Workspace& w);

  Parts p_;
};

/// residual += pending, then (weight != nullptr) out = norm(residual).
void add_and_norm(Backend& backend, const Matrix& residual, const Pending& pending,
                  const PackedVector* weight, float eps, const Matrix& out);

}  // namespace tandem
