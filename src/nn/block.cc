#include "nn/block.h"

#include <cmath>

namespace tandem {

void add_and_norm(Backend& backend, const Matrix& residual, const Pending& pending,
                  const PackedVector* weight, float eps, const Matrix& out) {
  RmsNormArgs args;
  args.residual = residual;
  args.add = pending.sum;
  args.add_bias = pending.bias;
  args.weight = weight;
  args.eps = eps;
  args.out = out;
  backend.rms_norm(args);
}

Matrix DecoderBlock::attention(const BlockContext& context, const Workspace& w) {
  const AttentionShape& a = p_.attention;
  if (a.q_heads == 0)
    return p_.attention_out->forward(w.attended);  // a rank without heads still meets the others
  Backend& backend = *context.backend;
  OpScope op(context.clock, "qkv");
  p_.qkv->forward(w.normed, w.qkv);
  op.next("rope");
  if (p_.q_norm != nullptr) {
    backend.head_norm(
        {w.qkv.columns(0, a.q_heads * a.head_dim), a.head_dim, p_.q_norm.get(), p_.eps});
    backend.head_norm({w.qkv.columns(a.q_heads * a.head_dim, a.kv_heads * a.head_dim), a.head_dim,
                       p_.k_norm.get(), p_.eps});
  }
  backend.rope_append({w.qkv, context.batch, context.rope, context.cache, p_.layer, a.q_heads,
                       a.kv_heads, a.head_dim, w.q});
  op.next("attention");
  AttentionArgs args;
  args.q = w.q;
  args.batch = context.batch;
  args.cache = context.cache;
  args.layer = p_.layer;
  args.head_dim = a.head_dim;
  args.segments = a.segments;
  args.scale = 1.0F / std::sqrt(static_cast<float>(a.head_dim));
  args.window = a.window;
  args.out = w.attended;
  backend.attention(args);
  op.next("attention_out");
  return p_.attention_out->forward(w.attended);
}

Pending DecoderBlock::forward(const BlockContext& context, const Workspace& w,
                              const Pending& pending) {
  OpScope op(context.clock, "norm");
  add_and_norm(*context.backend, w.residual, pending, p_.attention_norm.get(), p_.eps, w.normed);
  const Matrix attended = attention(context, w);
  add_and_norm(*context.backend, w.residual, {attended, p_.attention_bias.get()}, p_.mlp_norm.get(),
               p_.eps, w.normed);
  op.next("gate_up");
  if (w.activated.cols > 0) p_.gate_up->forward(w.normed, w.activated);
  op.next("down");
  return {p_.down->forward(w.activated), p_.mlp_bias.get()};
}

}  // namespace tandem
