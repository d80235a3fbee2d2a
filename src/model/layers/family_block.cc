#include "model/layers/family_block.h"

#include "base/check.h"

namespace tandem::layers {
namespace {

class FamilyBlock final : public tandem::Block {
 public:
  FamilyBlock(Runtime& runtime, std::unique_ptr<layers::Block> block)
      : runtime_(runtime), block_(std::move(block)) {}

  /// Nothing is pending: all blocks of a model are of one kind, and this one adds by itself.
  Pending forward(const BlockContext& context, const Workspace& w, const Pending&) override {
    const Tensor result = block_->forward(runtime_.begin(context, w.residual));
    expect(result, Dim::kHidden, false, "the model, from a block,");
    ElementwiseArgs copy;
    copy.a = Access::state(result).matrix;
    copy.out = w.residual;
    runtime_.backend().elementwise(copy);
    return {};
  }

 private:
  Runtime& runtime_;
  std::unique_ptr<layers::Block> block_;
};

}  // namespace

std::unique_ptr<tandem::Block> load_family_block(const LoadContext& load, int64_t layer,
                                                 Runtime& runtime) {
  Loader loader{load, runtime, layer, false, {}};
  Context context = Access::context(loader);
  std::unique_ptr<Block> block = load.spec.block(context);
  if (block == nullptr) bad_input("family {}: its block function made nothing", load.spec.family);
  for (const WeightRule& rule : load.spec.weights) {
    if (per_layer(rule.name) && !loader.taken.contains(&rule)) {
      bad_input("family {}: weight {} is in the spec's list, and the block does not use it",
                load.spec.family, rule.name);
    }
  }
  return std::make_unique<FamilyBlock>(runtime, std::move(block));
}

}  // namespace tandem::layers
