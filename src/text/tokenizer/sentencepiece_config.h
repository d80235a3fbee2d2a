// What stands beside a tokenizer.model and changes its use.
#pragma once

#include <string>
#include <vector>

#include "text/tokenizer/added_tokens.h"

namespace tandem {

struct SentencePieceConfig {
  bool add_bos = true;
  bool add_eos = false;
  bool legacy = true;
  /// Contents with their flags; id -1 where the files do not say it and the model must know it.
  std::vector<AddedToken> tokens;
};

/// Reads tokenizer_config.json and added_tokens.json of `folder`, as far as they are there.
SentencePieceConfig read_sentencepiece_config(const std::string& folder);

}  // namespace tandem
