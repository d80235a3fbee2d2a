// tandem quantize: which tensors of a model are quantized, and by which units.
#include <algorithm>

#include "base/check.h"
#include "convert/quantized_folder.h"
#include "engine/load_plan.h"
#include "tandem/convert.h"

namespace tandem {
namespace {

std::vector<int64_t> unit_sizes(const Units& units) {
  std::vector<int64_t> sizes;
  for (int64_t u = 0; u < units.count(); ++u) sizes.push_back(units.elements({u, u + 1}).size());
  return sizes;
}

/// Every tensor that the model uses, in the files' order.
std::vector<TensorPlan> plan_tensors(const Checkpoint& checkpoint, const WeightForms& forms) {
  const ModelSpec& spec = checkpoint.spec;
  std::vector<TensorPlan> plans;
  for (const WeightRule& rule : spec.weights) {
    const Units units = input_units(spec, rule);
    const int64_t layers = per_layer(rule.name) ? spec.layers : 1;
    for (int64_t layer = 0; layer < layers; ++layer) {
      TensorPlan plan{&checkpoint.weights->tensor(rule, layer, false), forms.of(rule, layer), {}};
      if (is_int4(plan.format) && units.count() > 1 && units.unit % 2 != 0) {
        unsupported("{}: {}: int4 needs an even number of columns from unit to unit, not {}",
                    checkpoint.folder.path, plan.source->name, units.unit);
      }
      if (is_quantized(plan.format)) plan.units = unit_sizes(units);
      plans.push_back(std::move(plan));
      if (rule.bias)
        plans.push_back({&checkpoint.weights->tensor(rule, layer, true), WeightFormat::kFloat, {}});
    }
  }
  std::ranges::sort(plans, [](const TensorPlan& a, const TensorPlan& b) {
    return std::pair(a.source->file, a.source->offset) <
           std::pair(b.source->file, b.source->offset);
  });
  return plans;
}

}  // namespace

QuantizeSummary quantize_folder(const QuantizeOptions& options, const Families* families) {
  const auto checkpoint =
      Checkpoint::open(options.from, families == nullptr ? Families{} : *families);
  const WeightFormat format = weight_format(options.format, *checkpoint);
  if (!is_quantized(format))
    bad_input("--to is \"{}\"; expected int8, int4, int4_symmetric or int4_min", options.format);
  if (!checkpoint->weights->forms(DType::kF32, WeightFormat::kFloat).stored.empty()) {
    bad_input("{}: is quantized already; quantize the checkpoint in 16 or 32 bits",
              checkpoint->folder.path);
  }
  const DType stored = checkpoint->weights->stored_dtype();
  const WeightForms forms = checkpoint->weights->forms(stored, format);
  QuantizedFolder folder{
      checkpoint->folder, options.to, plan_tensors(*checkpoint, forms), {stored}, options.progress};
  QuantizeSummary summary;
  summary.bytes_before = checkpoint->folder.tensors.total_bytes();
  summary.tensors = static_cast<int64_t>(folder.tensors.size());
  summary.bytes = write_quantized(folder);
  return summary;
}

}  // namespace tandem
