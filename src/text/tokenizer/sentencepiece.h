// SentencePiece models (tokenizer.model), run by the SentencePiece library.
#pragma once

#include <memory>
#include <string>

#include "tandem/text.h"

namespace tandem {

/// Loads FOLDER/tokenizer.model. Without a tokenizer_config.json it is the model alone: BOS in
/// front, and the text of a control token stays text. With one, its special tokens (and those of
/// added_tokens.json) are found in the text, add_bos_token and add_eos_token count, and every part
/// between special tokens gets the model's leading space ("legacy"; false: only the first part
/// does). Throws Error(kBadInput) naming the file.
std::unique_ptr<Tokenizer> load_sentencepiece(const std::string& folder);

}  // namespace tandem
