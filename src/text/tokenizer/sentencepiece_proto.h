// The few fields of a serialized SentencePiece model (sentencepiece_model.proto) that the library's
// interface does not tell.
#pragma once

#include <string>
#include <string_view>

namespace tandem {

struct SentencePieceSpec {
  bool unigram = true;                   ///< trainer_spec.model_type is UNIGRAM, the default
  bool whitespace_as_suffix = false;     ///< trainer_spec.treat_whitespace_as_suffix
  bool dummy_prefix = true;              ///< normalizer_spec.add_dummy_prefix
  bool remove_extra_whitespaces = true;  ///< normalizer_spec.remove_extra_whitespaces
  bool user_defined = false;             ///< some piece is of type USER_DEFINED
};

/// Throws Error(kBadInput) where the bytes are no protocol buffer; `path` begins the message.
SentencePieceSpec read_sentencepiece_spec(std::string_view model, const std::string& path);

}  // namespace tandem
