// The single decoders. "Fragments": a decoder before has joined all tokens, and what comes is one
// text, in parts.
#pragma once

#include <memory>
#include <string>

#include "text/tokenizer/component.h"
#include "text/tokenizer/decoder.h"

namespace tandem {

std::unique_ptr<DecodeStage> join_with_spaces();
/// Byte letters to bytes; bytes that are no character become U+FFFD. Gives fragments.
std::unique_ptr<DecodeStage> byte_level_stage();
/// Runs of <0x..> tokens to text; a run that is not UTF-8 as a whole becomes one U+FFFD per byte.
std::unique_ptr<DecodeStage> byte_fallback_stage();
/// Replaces inside each token.
std::unique_ptr<DecodeStage> replace_stage(std::shared_ptr<const Pattern> pattern,
                                           std::string content);
/// Replaces in the whole text, given at the end of the stream: a match may go over fragments.
std::unique_ptr<DecodeStage> replace_in_text_stage(std::shared_ptr<const Pattern> pattern,
                                                   std::string content);

struct StripRule {
  std::string character;
  size_t start = 0;  ///< at most so many are taken from the front
  size_t stop = 0;   ///< and from the end
};
std::unique_ptr<DecodeStage> strip_stage(StripRule rule);          ///< of each token
std::unique_ptr<DecodeStage> strip_in_text_stage(StripRule rule);  ///< of the whole text
/// The replacement character to spaces; in the first token to nothing when `drop_first`.
std::unique_ptr<DecodeStage> metaspace_stage(std::string replacement, bool drop_first);

}  // namespace tandem
