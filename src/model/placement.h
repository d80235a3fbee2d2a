// What a weight rule means: the sides of the weight, their sizes, and whether ranks share it out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tandem/model.h"

namespace tandem {

struct Sides {
  Dim out = Dim::kNone;
  Dim in = Dim::kNone;  ///< kNone: a vector
};
/// Those that the role implies, else the rule's own.
Sides sides_of(const WeightRule& rule);

/// How a weight lies over ranks.
enum class Split : uint8_t {
  kWhole,        ///< every rank has all of it
  kOutFeatures,  ///< column-parallel: a rank has some rows
  kInFeatures,   ///< row-parallel: a rank has some columns
};
Split split_of(const WeightRule& rule);

int64_t dim_size(const ModelSpec& spec, Dim dim);
/// "query heads", ...: for messages.
std::string_view dim_name(Dim dim);
/// Whether the checkpoint has one for each layer.
inline bool per_layer(const std::string& name) { return name.find("{}") != std::string::npos; }
/// The name with the layer's number in place of "{}".
std::string at_layer(std::string name, int64_t layer);
std::vector<int64_t> tensor_shape(const ModelSpec& spec, const WeightRule& rule);

/// Refuses a spec that cannot be a model, naming what is wrong: Error(kBadInput). Fills in what may
/// be left out (window).
void complete_spec(ModelSpec& spec);

}  // namespace tandem
