#include "model/weights.h"

#include <set>

#include "base/check.h"

namespace tandem {
namespace {

std::string at_layer(std::string name, int64_t layer) {
  if (const size_t at = name.find("{}"); at != std::string::npos)
    name.replace(at, 2, std::to_string(layer));
  return name;
}

bool per_layer(const std::string& name) { return name.find("{}") != std::string::npos; }

std::vector<int64_t> expected_shape(const ModelSpec& spec, WeightRole role, bool bias) {
  using enum WeightRole;
  const int64_t q = spec.q_heads * spec.head_dim;
  const int64_t kv = spec.kv_heads * spec.head_dim;
  std::vector<int64_t> shape;
  switch (role) {
    case kEmbedding:
    case kHead:
      shape = {spec.vocab, spec.hidden};
      break;
    case kFinalNorm:
    case kAttentionNorm:
    case kMlpNorm:
      return {spec.hidden};
    case kQueryNorm:
    case kKeyNorm:
      return {spec.head_dim};
    case kQuery:
      shape = {q, spec.hidden};
      break;
    case kKey:
    case kValue:
      shape = {kv, spec.hidden};
      break;
    case kFusedQkv:
      shape = {q + 2 * kv, spec.hidden};
      break;
    case kAttentionOut:
      shape = {spec.hidden, q};
      break;
    case kGate:
    case kUp:
      shape = {spec.ff, spec.hidden};
      break;
    case kDown:
      shape = {spec.hidden, spec.ff};
      break;
  }
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
      const std::string name = at_layer(rule.name, layer);
      tensors.push_back({name + ".weight", expected_shape(spec, rule.role, false)});
      if (rule.bias) tensors.push_back({name + ".bias", expected_shape(spec, rule.role, true)});
    }
  }
  return tensors;
}

void ModelWeights::bind(const WeightRule& rule, int64_t layer, bool bias) {
  const std::string name = at_layer(rule.name, layer) + (bias ? ".bias" : ".weight");
  const StoredTensor& stored = store_.get(name);
  store_.float_dtype(stored);
  const std::vector<int64_t> expected = expected_shape(spec_, rule.role, bias);
  if (stored.shape != expected) {
    bad_input("{}: tensor {} has shape {}; config.json asks for {}", store_.file_path(stored.file),
              name, shape_text(stored.shape), shape_text(expected));
  }
  bound_[{{rule.role, layer}, bias}] = &stored;
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
  return store_.float_dtype(tensor(
      spec_.has(WeightRole::kFusedQkv) ? WeightRole::kFusedQkv : WeightRole::kQuery, 0, false));
}

const StoredTensor& ModelWeights::tensor(WeightRole role, int64_t layer, bool bias) const {
  const auto found = bound_.find({{role, layer}, bias});
  TANDEM_CHECK(found != bound_.end());
  return *found->second;
}

WeightRows ModelWeights::slice(WeightRole role, int64_t layer, Range rows, Range cols) const {
  const StoredTensor& t = tensor(role, layer, false);
  const DType type = *t.dtype;
  return {t.data + (rows.begin * t.shape[1] + cols.begin) * dtype_bytes(type), type, rows.size(),
          cols.size(), t.shape[1]};
}

WeightRows ModelWeights::vector(WeightRole role, int64_t layer) const {
  const StoredTensor& t = tensor(role, layer, false);
  return {t.data, *t.dtype, 1, t.shape[0], t.shape[0]};
}

WeightRows ModelWeights::bias(WeightRole role, int64_t layer, Range range) const {
  const StoredTensor& t = tensor(role, layer, true);
  return {t.data + range.begin * dtype_bytes(*t.dtype), *t.dtype, 1, range.size(), range.size()};
}

void ModelWeights::release(WeightRole role, int64_t layer) const {
  const StoredTensor& t = tensor(role, layer, false);
  store_.release(t, 0, t.bytes);
}

}  // namespace tandem
