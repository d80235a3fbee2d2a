// What is done to the text before it is cut: the normalizers of tokenizer.json.
#pragma once

#include <memory>
#include <string>

#include "json/json.h"

namespace tandem {

class RegexScratch;

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  /// `text` is valid UTF-8 and stays so.
  virtual void apply(std::string& text, RegexScratch& scratch) const = 0;
};

/// nullptr for null. Throws Error(kUnsupported) naming an unknown type. `name`: the file; `path`:
/// where in it.
std::unique_ptr<Normalizer> parse_normalizer(const Json& json, const std::string& name,
                                             const std::string& path);

}  // namespace tandem
