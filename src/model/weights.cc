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

/// Groups of the columns in front of `column`, where a unit begins or all end.
int64_t groups_before(const Units& units, int64_t column) {
  const int64_t whole = column / units.unit;
  return whole * group_count(units.unit) + group_count(column - whole * units.unit);
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

void ModelWeights::check_shape(const StoredTensor& stored,
                               const std::vector<int64_t>& expected) const {
  if (stored.shape == expected) return;
  bad_input("{}: tensor {} has shape {}; config.json asks for {}", store_.file_path(stored.file),
            stored.name, shape_text(stored.shape), shape_text(expected));
}

void ModelWeights::bind(const WeightRule& rule, int64_t layer, bool bias) {
  const std::string name = stored_name(rule, layer, bias);
  Bound& weight = bound_[{&rule, layer, bias}];
  const bool matrix = !bias && sides_of(rule).in != Dim::kNone;
  if (quantization_ && matrix && store_.find(name) == nullptr &&
      store_.find(codes_name(name)) != nullptr) {
    weight = bind_quantized(rule, name);
    return;
  }
  weight.data = &store_.get(name);
  store_.float_dtype(*weight.data);
  check_shape(*weight.data, stored_shape(spec_, rule, bias));
}

ModelWeights::Bound ModelWeights::bind_quantized(const WeightRule& rule,
                                                 const std::string& name) const {
  const auto get = [this](const std::string& part, std::initializer_list<DType> types) {
    const StoredTensor& stored = store_.get(part);
    for (const DType type : types)
      if (stored.dtype == type) return &stored;
    bad_input("{}: tensor {} is {}; {} is expected", store_.file_path(stored.file), part,
              stored.stored_dtype, types.size() > 1 ? "I8 (int8) or U8 (int4)" : "F16");
  };
  Bound weight;
  weight.data = get(codes_name(name), {DType::kI8, DType::kU8});
  weight.scale = get(scale_name(name), {DType::kF16});
  if (store_.find(min_name(name)) != nullptr) weight.min = get(min_name(name), {DType::kF16});
  const bool bytes = weight.data->dtype == DType::kI8;
  if (bytes && weight.min != nullptr) {
    bad_input("{}: tensor {} belongs to no int8 weight", store_.file_path(weight.min->file),
              weight.min->name);
  }
  weight.format = bytes                   ? WeightFormat::kInt8
                  : weight.min == nullptr ? WeightFormat::kInt4
                                          : WeightFormat::kInt4Min;
  const Units units = input_units(spec_, rule);
  if (!bytes && units.count() > 1 && units.unit % 2 != 0) {
    unsupported("{}: tensor {}: int4 needs an even number of columns from unit to unit, not {}",
                store_.file_path(weight.data->file), weight.data->name, units.unit);
  }
  const std::vector<int64_t> shape = tensor_shape(spec_, rule);
  check_shape(*weight.data, {shape[0], bytes ? shape[1] : (shape[1] + 1) / 2});
  const std::vector<int64_t> groups{shape[0], groups_before(units, units.size)};
  check_shape(*weight.scale, groups);
  if (weight.min != nullptr) check_shape(*weight.min, groups);
  return weight;
}

/// Weights that are packed as one are all quantized or none is.
void ModelWeights::check_stacks() const {
  using enum WeightRole;
  const auto format = [this](WeightRole role, int64_t layer) {
    const WeightRule* rule = spec_.rule(role);
    return rule == nullptr ? WeightFormat::kFloat : bound(*rule, layer, false).format;
  };
  for (int64_t layer = 0; layer < spec_.layers; ++layer) {
    for (const auto& [first, other] : {std::pair{kQuery, kKey}, {kQuery, kValue}, {kGate, kUp}}) {
      if (is_quantized(format(first, layer)) == is_quantized(format(other, layer))) continue;
      bad_input(
          "{}: {} and {} are multiplied in one pass, and only one of them is stored quantized",
          store_.file_path(bound(*spec_.rule(first), layer, false).data->file),
          stored_name(*spec_.rule(first), layer, false),
          stored_name(*spec_.rule(other), layer, false));
    }
  }
}

ModelWeights::ModelWeights(const ModelSpec& spec, const TensorStore& store,
                           std::optional<StoredQuantization> quantization)
    : spec_(spec), store_(store), quantization_(quantization) {
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
  for (const auto& [key, weight] : bound_) {
    used.insert(weight.data);
    used.insert(weight.scale);
    used.insert(weight.min);
  }
  for (const StoredTensor& stored : store.tensors()) {
    if (used.contains(&stored) || ignored.contains(stored.name)) continue;
    bad_input(
        "{}: tensor {} {} is not a part of a {} model with this config.json (a bias that the "
        "config does not "
        "name, another layer count or another architecture)",
        store.file_path(stored.file), stored.name, shape_text(stored.shape), spec.architecture);
  }
  if (quantization_ && !spec.block) check_stacks();
}

DType ModelWeights::stored_dtype() const {
  if (quantization_) return quantization_->dtype;
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
  for (const auto& [key, weight] : bound_) {
    const auto& [rule, layer, bias] = key;
    if (is_quantized(weight.format)) forms.stored[{rule, layer}] = weight.format;
  }
  return forms;
}

const ModelWeights::Bound& ModelWeights::bound(const WeightRule& rule, int64_t layer,
                                               bool bias) const {
  const auto found = bound_.find({&rule, layer, bias});
  TANDEM_CHECK(found != bound_.end());
  return found->second;
}

const StoredTensor& ModelWeights::tensor(const WeightRule& rule, int64_t layer, bool bias) const {
  const Bound& weight = bound(rule, layer, bias);
  TANDEM_CHECK(!is_quantized(weight.format));
  return *weight.data;
}

WeightRows ModelWeights::slice(const WeightRule& rule, int64_t layer, Range rows,
                               Range cols) const {
  const Bound& weight = bound(rule, layer, false);
  const StoredTensor& t = *weight.data;
  const DType type = *t.dtype;
  if (is_quantized(weight.format)) {
    const Units units = input_units(spec_, rule);
    WeightRows all{t.data, type, t.shape[0], cols.size(), t.shape[1]};
    all.format = weight.format;
    all.data += is_int4(weight.format) ? cols.begin / 2 : cols.begin;
    const int64_t group = groups_before(units, cols.begin);
    all.scale = weight.scale->data + 2 * group;
    if (weight.min != nullptr) all.min = weight.min->data + 2 * group;
    all.group_stride = weight.scale->shape[1];
    return all.slice(rows.begin, rows.size());
  }
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
  const Bound& weight = bound(rule, layer, false);
  for (const StoredTensor* t : {weight.data, weight.scale, weight.min})
    if (t != nullptr) store_.release(*t, 0, t->bytes);
}

}  // namespace tandem
