// Byte-pair encoding of one piece of text.
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "text/tokenizer/merges.h"
#include "text/tokenizer/token_model.h"
#include "text/tokenizer/vocabulary.h"

namespace tandem {

struct BpeOptions {
  int32_t unk = -1;            ///< id for characters without token; -1: they vanish
  bool fuse_unk = false;       ///< a run of them is one
  bool byte_fallback = false;  ///< they become their bytes (<0x0A>), where all of those are tokens
  bool ignore_merges = false;  ///< a piece that is a token as a whole is that token
  bool byte_level = false;     ///< the vocabulary spells bytes in byte letters
};

/// BPE over a vocabulary of characters, or of bytes (byte_level).
class BpeModel : public TokenModel {
 public:
  /// `vocabulary`: as in the file. `merges` refer to its ids.
  BpeModel(std::shared_ptr<const Vocabulary> vocabulary, MergeTable merges, BpeOptions options);

  std::unique_ptr<ModelScratch> make_scratch() const override;
  void encode(std::string_view piece, ModelScratch& scratch,
              std::vector<int32_t>& ids) const override;

  /// What must hold for cutting long pieces in front of U+2581: no token has it behind another
  /// character, so no merge crosses the cut.
  void allow_cuts_at_metaspace();

 private:
  struct Scratch;
  void encode_word(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const;
  void encode_uncached(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const;
  void symbols_of_bytes(std::string_view word, std::vector<int32_t>& ids) const;
  void symbols_of_characters(std::string_view word, std::vector<int32_t>& ids) const;
  int32_t character_id(std::string_view character, char32_t code) const;
  bool push_bytes(std::string_view character, std::vector<int32_t>& ids) const;

  int32_t whole_word(std::string_view word) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  Vocabulary spelled_;  // byte-level with ignore_merges: the tokens as bytes
  MergeTable merges_;
  BpeOptions options_;
  std::array<int32_t, 256> byte_ids_;   // of a single byte (byte-level) or of <0x..>
  std::vector<int32_t> character_ids_;  // of U+0000 to U+FFFF
  bool cuts_at_metaspace_ = false;
};

/// Whether every token that has U+2581 behind another character is absent (see above).
bool metaspace_only_begins(const Vocabulary& vocabulary);

}  // namespace tandem
