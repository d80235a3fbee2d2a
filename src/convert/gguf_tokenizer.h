// The text side of a GGUF file as Hugging Face's files: tokenizer.json, tokenizer_config.json,
// generation_config.json.
#pragma once

#include "checkpoint/gguf.h"
#include "json/json.h"

namespace tandem {

struct GgufTokenizer {
  Json tokenizer;
  Json tokenizer_config;
  /// bos_token_id, eos_token_id (a list when the file names an end of turn besides), pad_token_id:
  /// those that the file has.
  Json generation_config;
  /// The same for config.json: one eos_token_id.
  Json special_ids;

  /// Throws Error(kUnsupported) naming a tokenizer model, pre-tokenizer or token type that is not
  /// imported, Error(kBadInput) for text that is not UTF-8, repeated tokens and ids out of range.
  static GgufTokenizer read(const GgufFile& file);
};

}  // namespace tandem
