// The "model" of tokenizer.json.
#pragma once

#include <memory>
#include <string>

#include "json/json.h"
#include "text/tokenizer/token_model.h"
#include "text/tokenizer/vocabulary.h"

namespace tandem {

struct ParsedModel {
  std::unique_ptr<TokenModel> model;
  std::shared_ptr<const Vocabulary> vocabulary;
  std::string description;  ///< "BPE, byte-level"
};

/// `byte_level`: pieces come as bytes that the vocabulary spells in byte letters. Throws
/// Error(kUnsupported) naming an unknown type or option.
ParsedModel parse_model(const JsonReader& tokenizer, const std::string& name, bool byte_level);

}  // namespace tandem
