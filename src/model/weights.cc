#include "model/weights.h"

#include <set>

#include "base/check.h"
#include "model/placement.h"

namespace tandem {
namespace {

/// The name in the checkpoint.
std::string stored_name(const WeightRule& rule, int64_t layer, bool bias) {
  return at_layer(rule.name, layer) + (bias ? ".bias" : rule.suffix);
}

std::vector<int64_t> stored_shape(const ModelSpec& spec, const WeightRule& rule, bool bias) {
  std::vector<int64_t> shape = tensor_shape(spec, rule);
  if (bias) shape.resize(1);
  return shape;
}

std::set<std::string> ignored_names(const ModelSpec& spec) {
  std::set<std::string> names;
  for (const std::string& pattern : spec.ignored) {
    const int64_t count = per_layer(pattern) ? spec.layers : 1;
    for (int64_t layer = 0; layer < count; ++layer) names.insert(at_layer(pattern, layer));
  }
  return names;
}

}  // namespace

std::vector<NamedShape> expected_tensors(const ModelSpec& spec) {
  std::vector<NamedShape> tensors;
  for (const WeightRule& rule : spec.weights) {
    const int64_t count = per_layer(rule.name) ? spec.layers : 1;
    for (int64_t layer = 0; layer < count; ++layer) {
      for (int bias = 0; bias <= (rule.bias ? 1 : 0); ++bias)
        tensors.push_back({stored_name(rule, layer, bias), stored_shape(spec, rule, bias)});
    }
  }
  return tensors;
}

void ModelWeights::bind(const WeightRule& rule, int64_t layer, bool bias) {
  const std::string name = stored_name(rule, layer, bias);
  const StoredTensor& stored = store_.get(name);
  store_.float_dtype(stored);
  const std::vector<int64_t> expected = stored_shape(spec_, rule, bias);
  if (stored.shape != expected) {
    bad_input("{}: tensor {} has shape {}; config.json asks for {}", store_.file_path(stored.file),
              name, shape_text(stored.shape), shape_text(expected));
  }
  bound_[{&rule, layer, bias}] = &stored;
}

ModelWeights::ModelWeights(const ModelSpec& spec, const TensorStore& store)
    : spec_(spec), store_(store) {
  // A config may ask for any number of layers: look for the first missing one before walking them
  // all.
  for (const WeightRule& rule : spec.weights) {
    const int64_t count = per_layer(rule.name) ? spec.layers : 1;
    for (int64_t layer = 0; layer < count; ++layer) {
      bind(rule, layer, false);
      if (rule.bias) bind(rule, layer, true);
    }
  }
  const std::set<std::string> ignored = ignored_names(spec);
  std::set<const StoredTensor*> used;
  for (const auto& entry : bound_) used.insert(entry.second);
  for (const StoredTensor& stored : store.tensors()) {
    if (used.contains(&stored) || ignored.contains(stored.name)) continue;
    bad_input(
        "{}: tensor {} {} is not a part of a {} model with this config.json (a bias that the "
        "config does not "
        "name, another layer count or another architecture)",
        store.file_path(stored.file), stored.name, shape_text(stored.shape), spec.architecture);
  }
}

DType ModelWeights::stored_dtype() const {
  const WeightRule* rule = spec_.rule(WeightRole::kFusedQkv);
  if (rule == nullptr) rule = spec_.rule(WeightRole::kQuery);
  for (const WeightRule& other : spec_.weights) {  // a block of the family's own: its first matrix
    if (rule == nullptr && other.role == WeightRole::kOther && other.in != Dim::kNone)
      rule = &other;
  }
  return store_.float_dtype(
      tensor(rule == nullptr ? *spec_.rule(WeightRole::kEmbedding) : *rule, 0, false));
}

WeightForms ModelWeights::forms(DType compute, WeightFormat quantize) const {
  WeightForms forms;
  forms.type = compute == DType::kF32 ? stored_dtype() : compute;
  forms.quantize = quantize;
  return forms;
}

const StoredTensor& ModelWeights::tensor(const WeightRule& rule, int64_t layer, bool bias) const {
  const auto found = bound_.find({&rule, layer, bias});
  TANDEM_CHECK(found != bound_.end());
  return *found->second;
}

WeightRows ModelWeights::slice(const WeightRule& rule, int64_t layer, Range rows,
                               Range cols) const {
  const StoredTensor& t = tensor(rule, layer, false);
  const DType type = *t.dtype;
  return {t.data + (rows.begin * t.shape[1] + cols.begin) * dtype_bytes(type), type, rows.size(),
          cols.size(), t.shape[1]};
}

WeightRows ModelWeights::vector(const WeightRule& rule, int64_t layer, Range range) const {
  const StoredTensor& t = tensor(rule, layer, false);
  return {t.data + range.begin * dtype_bytes(*t.dtype), *t.dtype, 1, range.size(), range.size()};
}

WeightRows ModelWeights::bias(const WeightRule& rule, int64_t layer, Range range) const {
  const StoredTensor& t = tensor(rule, layer, true);
  return {t.data + range.begin * dtype_bytes(*t.dtype), *t.dtype, 1, range.size(), range.size()};
}

void ModelWeights::release(const WeightRule& rule, int64_t layer) const {
  const StoredTensor& t = tensor(rule, layer, false);
  store_.release(t, 0, t.bytes);
}

}  // namespace tandem
