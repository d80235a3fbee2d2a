#include "model/placement.h"

#include <set>

#include "base/check.h"

namespace tandem {
namespace {

bool is_split(Dim dim) {
  return dim == Dim::kQueryHeads || dim == Dim::kKeyValueHeads || dim == Dim::kQkv ||
         dim == Dim::kFeedForward || dim == Dim::kVocabulary;
}

/// Dimensions with units of their own: what may be reduced over, gathered or scattered.
bool has_units(Dim dim) {
  return dim == Dim::kHidden || dim == Dim::kQueryHeads || dim == Dim::kFeedForward;
}

void check_size(const ModelSpec& spec, const char* name, int64_t value) {
  if (value < 1) bad_input("family {}: {} is {}; it must be at least 1", spec.family, name, value);
}

void check_sizes(const ModelSpec& s) {
  check_size(s, "hidden", s.hidden);
  check_size(s, "layers", s.layers);
  check_size(s, "q_heads", s.q_heads);
  check_size(s, "kv_heads", s.kv_heads);
  check_size(s, "head_dim", s.head_dim);
  check_size(s, "ff", s.ff);
  check_size(s, "vocab", s.vocab);
  check_size(s, "max_positions", s.max_positions);
  if (s.q_heads % s.kv_heads != 0) {
    bad_input("family {}: kv_heads is {}; it must divide q_heads ({})", s.family, s.kv_heads,
              s.q_heads);
  }
  if (s.rope.rotary_dim < 0 || s.rope.rotary_dim > s.head_dim || s.rope.rotary_dim % 2 != 0) {
    bad_input("family {}: rope.rotary_dim is {}; expected an even number up to head_dim ({})",
              s.family, s.rope.rotary_dim, s.head_dim);
  }
}

void check_other(const ModelSpec& spec, const WeightRule& rule) {
  if (!per_layer(rule.name)) {
    bad_input("family {}: weight {} has no {{}} in its name; a block's own weights are per layer",
              spec.family, rule.name);
  }
  if (rule.out == Dim::kNone || rule.out == Dim::kVocabulary || rule.in == Dim::kVocabulary ||
      rule.in == Dim::kKeyValueHeads || rule.in == Dim::kQkv) {
    bad_input(
        "family {}: weight {} runs from {} to {}; expected outputs, and inputs from hidden, "
        "head, query heads, feed-forward or none",
        spec.family, rule.name, dim_name(rule.in), dim_name(rule.out));
  }
  const bool columns = is_split(rule.out) || rule.gather_output;
  const bool rows = is_split(rule.in) || rule.scatter_input;
  if (columns && rows) {
    bad_input("family {}: weight {} is split by outputs ({}) and by inputs ({}); split one of them",
              spec.family, rule.name, dim_name(rule.out), dim_name(rule.in));
  }
  const bool gather = !rule.gather_output || (has_units(rule.out) && rule.in != Dim::kNone);
  if (!gather || (rule.scatter_input && !has_units(rule.in))) {
    bad_input(
        "family {}: weight {}: gather_output and scatter_input are for matrices over hidden, "
        "query heads or feed-forward",
        spec.family, rule.name);
  }
}

void check_rules(const ModelSpec& spec) {
  using enum WeightRole;
  std::set<std::string> names;
  std::set<WeightRole> roles;
  for (const WeightRule& rule : spec.weights) {
    if (rule.name.empty() || !names.insert(rule.name).second) {
      bad_input("family {}: weight name \"{}\" is empty or given twice", spec.family, rule.name);
    }
    if (rule.role == kOther) check_other(spec, rule);
    if (rule.role != kOther && !roles.insert(rule.role).second) {
      bad_input("family {}: two weights have the role of {}", spec.family, rule.name);
    }
  }
  const auto need = [&](bool there, const char* what) {
    if (!there) bad_input("family {}: its weights have no {}", spec.family, what);
  };
  need(spec.has(kEmbedding), "embedding");
  need(spec.has(kFinalNorm), "final norm");
  need(spec.has(kHead) != spec.tied, spec.tied ? "need of a head: tied is set" : "head");
  if (spec.block) return;
  need(spec.has(kFusedQkv) || (spec.has(kQuery) && spec.has(kKey) && spec.has(kValue)),
       "q, k and v");
  for (WeightRole role : {kAttentionNorm, kAttentionOut, kMlpNorm, kGate, kUp, kDown})
    need(spec.has(role), "full set for the decoder block; give a block function or all of them");
}

}  // namespace

Sides sides_of(const WeightRule& rule) {
  using enum WeightRole;
  switch (rule.role) {
    case kEmbedding:
    case kHead:
      return {Dim::kVocabulary, Dim::kHidden};
    case kFinalNorm:
    case kAttentionNorm:
    case kMlpNorm:
      return {Dim::kHidden, Dim::kNone};
    case kQueryNorm:
    case kKeyNorm:
      return {Dim::kHeadDim, Dim::kNone};
    case kQuery:
      return {Dim::kQueryHeads, Dim::kHidden};
    case kKey:
    case kValue:
      return {Dim::kKeyValueHeads, Dim::kHidden};
    case kFusedQkv:
      return {Dim::kQkv, Dim::kHidden};
    case kAttentionOut:
      return {Dim::kHidden, Dim::kQueryHeads};
    case kGate:
    case kUp:
      return {Dim::kFeedForward, Dim::kHidden};
    case kDown:
      return {Dim::kHidden, Dim::kFeedForward};
    case kOther:
      break;
  }
  return {rule.out, rule.in};
}

Split split_of(const WeightRule& rule) {
  const Sides sides = sides_of(rule);
  if (is_split(sides.out) || rule.gather_output) return Split::kOutFeatures;
  if (is_split(sides.in) || rule.scatter_input) return Split::kInFeatures;
  return Split::kWhole;
}

int64_t dim_size(const ModelSpec& spec, Dim dim) {
  switch (dim) {
    case Dim::kNone:
      return 1;
    case Dim::kHidden:
      return spec.hidden;
    case Dim::kHeadDim:
      return spec.head_dim;
    case Dim::kQueryHeads:
      return spec.q_heads * spec.head_dim;
    case Dim::kKeyValueHeads:
      return spec.kv_heads * spec.head_dim;
    case Dim::kQkv:
      return (spec.q_heads + 2 * spec.kv_heads) * spec.head_dim;
    case Dim::kFeedForward:
      return spec.ff;
    case Dim::kVocabulary:
      return spec.vocab;
  }
  return 0;
}

std::string_view dim_name(Dim dim) {
  switch (dim) {
    case Dim::kNone:
      return "nothing";
    case Dim::kHidden:
      return "hidden";
    case Dim::kHeadDim:
      return "head";
    case Dim::kQueryHeads:
      return "query heads";
    case Dim::kKeyValueHeads:
      return "key/value heads";
    case Dim::kQkv:
      return "q, k and v";
    case Dim::kFeedForward:
      return "feed-forward";
    case Dim::kVocabulary:
      return "vocabulary";
  }
  return "?";
}

std::string at_layer(std::string name, int64_t layer) {
  if (const size_t at = name.find("{}"); at != std::string::npos)
    name.replace(at, 2, std::to_string(layer));
  return name;
}

std::vector<int64_t> tensor_shape(const ModelSpec& spec, const WeightRule& rule) {
  const Sides sides = sides_of(rule);
  std::vector<int64_t> shape = {dim_size(spec, sides.out)};
  if (sides.in != Dim::kNone) shape.push_back(dim_size(spec, sides.in));
  return shape;
}

void complete_spec(ModelSpec& spec) {
  check_sizes(spec);
  check_rules(spec);
  if (spec.window.empty()) spec.window.assign(static_cast<size_t>(spec.layers), 0);
  if (spec.window.size() != static_cast<size_t>(spec.layers)) {
    bad_input("family {}: {} windows for {} layers", spec.family, spec.window.size(), spec.layers);
  }
}

}  // namespace tandem
