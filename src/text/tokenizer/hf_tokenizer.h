// A tokenizer of the Hugging Face "tokenizers" kind: normalizer, pre-tokenizer, model,
// post-processor, decoder, and added tokens.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tandem/text.h"
#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/decoder.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/post_processor.h"
#include "text/tokenizer/pre_tokenizer.h"
#include "text/tokenizer/regex.h"
#include "text/tokenizer/token_model.h"
#include "text/tokenizer/vocabulary.h"

namespace tandem {

/// What a tokenizer is made of, however it was stored.
struct TokenizerParts {
  std::string description;
  std::shared_ptr<const Vocabulary> vocabulary;
  std::vector<AddedToken> added;  ///< may repeat tokens of the vocabulary, with their ids
  std::unique_ptr<Normalizer> normalizer;
  PreTokenizerSpec pre_tokenizer;
  std::unique_ptr<TokenModel> model;
  Frame frame;
  Decoder decoder{{}};
};

class HfTokenizer : public Tokenizer {
 public:
  explicit HfTokenizer(TokenizerParts parts);
  ~HfTokenizer() override;

  std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options) const override;
  std::string decode(const std::vector<int32_t>& ids, bool skip_special) const override;
  std::unique_ptr<Detokenizer> detokenizer(bool skip_special) const override;
  int64_t vocab_size() const override { return vocab_size_; }
  std::optional<int32_t> token_to_id(std::string_view token) const override;
  bool is_special(int32_t id) const override;
  std::string description() const override { return parts_.description; }

  const Decoder& decoder() const { return parts_.decoder; }
  /// The token's text; nullopt where no token has the id.
  std::optional<std::string_view> token(int32_t id) const;

 private:
  struct Workspace;
  std::unique_ptr<Workspace> take_workspace() const;
  void encode_part(std::string_view text, bool at_start, Workspace& work) const;
  void encode_normalized(std::string_view text, bool at_start, Workspace& work) const;

  TokenizerParts parts_;
  Vocabulary added_;           // the added tokens that the vocabulary lacks
  std::vector<bool> special_;  // by id
  int64_t vocab_size_ = 0;
  AddedTokenMatcher raw_;         // added tokens to be found in the text as it is
  AddedTokenMatcher normalized_;  // those to be found behind the normalizer
  // Workspaces that are not in use: buffers, and words already seen. As many as there have been
  // encodings at a time.
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;
};

/// Loads a tokenizer.json. Throws Error(kBadInput or kUnsupported) naming file and key.
std::unique_ptr<Tokenizer> load_tokenizer_json(const std::string& path);
/// The same from text; `name` begins the messages.
std::unique_ptr<Tokenizer> parse_tokenizer_json(std::string_view text, const std::string& name);
std::unique_ptr<Tokenizer> make_tokenizer(const Json& json, const std::string& name);

}  // namespace tandem
