#include "gated_parallel.h"

#include <tandem/layers.h>

namespace {

using namespace tandem;
using namespace tandem::layers;

const std::string kBlock = "blocks.{}.";

/// n = LayerNorm(x)
/// a = o(sigmoid(attn_gate(n)) * attention(q(n), k(n), v(n)))
/// m = sigmoid(mlp_gate(n)) * down(gelu(up(n)))
/// x + a + m
///
/// The attention's gate lies before o: it is cut like o's inputs, and costs no meeting of the
/// ranks. The MLP's gate lies behind down, where every rank has the whole row: its rule says
/// gather_output.
class GatedParallelBlock final : public Block {
 public:
  explicit GatedParallelBlock(Context& c)
      : norm_(c, kBlock + "norm"),
        qkv_(c, kBlock + "attn.q", kBlock + "attn.k", kBlock + "attn.v"),
        attention_(c),
        attn_gate_(c, kBlock + "attn.gate"),
        o_(c, kBlock + "attn.o"),
        up_(c, kBlock + "mlp.up"),
        down_(c, kBlock + "mlp.down"),
        mlp_gate_(c, kBlock + "mlp.gate") {}

  Tensor forward(const Tensor& x) override {
    const Tensor n = norm_(x);
    const Tensor a = o_(mul(attention_(qkv_(n)), sigmoid(attn_gate_(n))));
    const Tensor m = mul(down_(gelu(up_(n))), sigmoid(mlp_gate_(n)));
    return add(x, add(a, m));
  }

 private:
  LayerNorm norm_;
  QKVColumnParallelLinear qkv_;
  Attention attention_;
  ColumnParallelLinear attn_gate_;
  RowParallelLinear o_;
  ColumnParallelLinear up_;
  RowParallelLinear down_;
  ColumnParallelLinear mlp_gate_;
};

/// A weight of the block, [out, in].
WeightRule weight(const std::string& name, Dim out, Dim in, bool bias = false) {
  WeightRule rule;
  rule.name = kBlock + name;
  rule.out = out;
  rule.in = in;
  rule.bias = bias;
  return rule;
}

ModelSpec read(const ModelConfig& config) {
  constexpr int64_t kMax = 1 << 20;
  ModelSpec spec;
  spec.family = "gated_parallel";
  spec.hidden = config.integer("hidden_size", 1, kMax);
  spec.layers = config.integer("num_hidden_layers", 1, 1024);
  spec.q_heads = config.integer("num_attention_heads", 1, 1024);
  spec.kv_heads = config.integer("num_key_value_heads", 1, 1024);
  spec.head_dim = config.integer("head_dim", 2, 1024);
  spec.ff = config.integer("intermediate_size", 1, kMax);
  spec.vocab = config.integer("vocab_size", 1, kMax);
  spec.max_positions = config.integer("max_position_embeddings", 1, kMax);
  spec.norm_eps = config.number("layer_norm_eps", 0, 1);
  spec.final_norm = NormKind::kLayer;
  spec.rope.theta = config.number("rope_theta", 1, 1e9);
  spec.rope.rotary_dim = spec.head_dim;
  spec.rope.original_positions = spec.max_positions;
  spec.eos = config.token_ids("eos_token_id", spec.vocab);

  WeightRule mlp_gate = weight("mlp.gate", Dim::kHidden, Dim::kHidden, true);
  mlp_gate.gather_output = true;
  spec.weights = {{WeightRole::kEmbedding, "embedding"},
                  {WeightRole::kFinalNorm, "final_norm", true},
                  {WeightRole::kHead, "head"},
                  weight("norm", Dim::kHidden, Dim::kNone, true),
                  weight("attn.q", Dim::kQueryHeads, Dim::kHidden),
                  weight("attn.k", Dim::kKeyValueHeads, Dim::kHidden),
                  weight("attn.v", Dim::kKeyValueHeads, Dim::kHidden),
                  weight("attn.gate", Dim::kQueryHeads, Dim::kHidden, true),
                  weight("attn.o", Dim::kHidden, Dim::kQueryHeads),
                  weight("mlp.up", Dim::kFeedForward, Dim::kHidden, true),
                  weight("mlp.down", Dim::kHidden, Dim::kFeedForward, true),
                  mlp_gate};
  spec.block = [](Context& context) { return std::make_unique<GatedParallelBlock>(context); };
  return spec;
}

}  // namespace

tandem::Family gated_parallel_family() {
  return {"GatedParallelForCausalLM", "gated_parallel", read};
}
