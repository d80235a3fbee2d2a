// One SentencePiece model, as the library reads it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/sentencepiece_proto.h"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace tandem {

class UnigramModel;

/// Immutable; several threads may use it at a time.
class SentencePieceModel {
 public:
  /// `serialized`: the file's bytes. `leading_space` false: parts get none in front, whatever the
  /// model says. Throws Error(kBadInput or kUnsupported); `path` begins the message.
  SentencePieceModel(const std::string& serialized, const std::string& path, bool leading_space);
  ~SentencePieceModel();

  /// Appends the ids of `text` (valid UTF-8). The text of a control token is text.
  void encode(std::string_view text, std::vector<int32_t>& ids) const;

  int32_t size() const;
  const std::string& piece(int32_t id) const;  ///< 0 <= id < size()
  int32_t find(std::string_view piece) const;  ///< -1: not there
  bool is_control(int32_t id) const;
  bool is_unknown(int32_t id) const;
  bool is_byte(int32_t id) const;
  int32_t bos() const;  ///< -1: none
  int32_t eos() const;  ///< -1: none
  /// What an unknown piece reads as.
  const std::string& unk_surface() const { return unk_surface_; }
  const SentencePieceSpec& spec() const { return spec_; }

 private:
  void make_unigram();
  std::string normalized(std::string_view text) const;

  SentencePieceSpec spec_;
  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
  // Library versions break ties between equally probable cuts differently (0.1.97 and 0.2), and
  // with a run of equal characters ties are common. So of a unigram model the library gives the
  // normalized text and the scores, and the cut is our own.
  std::unique_ptr<UnigramModel> unigram_;
  std::string unk_surface_;
};

}  // namespace tandem
