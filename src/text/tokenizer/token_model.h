// The part of a tokenizer that turns one piece of text into ids.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace tandem {

/// Buffers that one encoding at a time works in.
class ModelScratch {
 public:
  virtual ~ModelScratch() = default;
};

/// Immutable; several threads may encode at a time, each with its own scratch.
class TokenModel {
 public:
  virtual ~TokenModel() = default;
  virtual std::unique_ptr<ModelScratch> make_scratch() const = 0;
  /// Appends the ids of `piece`. The scratch was made by this model.
  virtual void encode(std::string_view piece, ModelScratch& scratch,
                      std::vector<int32_t>& ids) const = 0;
};

}  // namespace tandem
