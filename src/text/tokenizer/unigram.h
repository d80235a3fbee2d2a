// The unigram language model: the most probable way to cut a piece into tokens.
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "json/json.h"
#include "text/tokenizer/byte_trie.h"
#include "text/tokenizer/model_json.h"
#include "text/tokenizer/token_model.h"
#include "text/tokenizer/vocabulary.h"

namespace tandem {

/// How much worse than the least probable token an unknown character is (SentencePiece's value).
inline constexpr double kUnkPenalty = 10;

struct UnigramOptions {
  int32_t unk = -1;  ///< -1: none; text that needs it is refused
  bool byte_fallback = false;
  /// Sums are rounded to fp32, which decides between cuts of equal probability (SentencePiece).
  bool single_precision = false;
};

class UnigramModel : public TokenModel {
 public:
  /// `scores`: log-probability of each id; NaN: the search leaves the token out.
  UnigramModel(std::shared_ptr<const Vocabulary> vocabulary, std::vector<double> scores,
               UnigramOptions options);

  std::unique_ptr<ModelScratch> make_scratch() const override;
  void encode(std::string_view piece, ModelScratch& scratch,
              std::vector<int32_t>& ids) const override;

 private:
  struct Scratch;
  void search(std::string_view piece, Scratch& scratch) const;
  void push_piece(std::string_view text, std::vector<int32_t>& ids) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  std::vector<double> scores_;
  UnigramOptions options_;
  ByteTrie trie_;
  double unk_score_ = -kUnkPenalty;
  std::array<int32_t, 256> byte_ids_;
};

/// The model of a tokenizer.json of type Unigram.
ParsedModel parse_unigram(const JsonReader& model, bool byte_level);

}  // namespace tandem
