// Text: tokenizers, the incremental detokenizer, chat templates. Standard library types only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

struct EncodeOptions {
  bool add_special_tokens = true;  ///< what the tokenizer's post-processor adds (BOS ...)
  /// Text of a special token becomes its id; false: it stays text ("allowed_special": "none").
  bool allow_special = true;
};

/// Turns ids into text as they come. Every piece is whole valid UTF-8, nothing is taken back, and
/// the pieces joined equal Tokenizer::decode of all ids.
class Detokenizer {
 public:
  virtual ~Detokenizer() = default;
  virtual std::string push(int32_t id) = 0;  ///< the text that became certain
  virtual std::string finish() = 0;          ///< what is left at the end of the stream
};

/// The vocabulary of a Hugging Face folder. Immutable and safe to use from several threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// Loads the folder's tokenizer: tokenizer.json, else tokenizer.model (SentencePiece), else
  /// qwen.tiktoken. Throws Error(kBadInput) naming what is missing or wrong, Error(kUnsupported)
  /// naming an unknown component.
  static std::unique_ptr<Tokenizer> load(const std::string& folder);

  /// Throws Error(kBadInput) on invalid UTF-8.
  virtual std::vector<int32_t> encode(std::string_view text,
                                      const EncodeOptions& options = {}) const = 0;
  /// Throws Error(kBadInput) on an id outside [0, vocab_size()).
  virtual std::string decode(const std::vector<int32_t>& ids, bool skip_special) const = 0;
  /// A stream of its own; the tokenizer must outlive it. Ids that no token has (a model may have
  /// more rows than the vocabulary has tokens) give no text.
  virtual std::unique_ptr<Detokenizer> detokenizer(bool skip_special) const = 0;

  virtual int64_t vocab_size() const = 0;  ///< largest id + 1
  virtual std::optional<int32_t> token_to_id(std::string_view token) const = 0;
  virtual bool is_special(int32_t id) const = 0;
  /// "tokenizer.json (BPE, byte-level)": for `inspect`.
  virtual std::string description() const = 0;
};

/// A chat template: the Jinja subset that checkpoints carry. Immutable and thread-safe.
class ChatTemplate {
 public:
  virtual ~ChatTemplate() = default;
  /// Parses template text. Throws Error(kBadInput) with the line of a syntax error. `name` begins
  /// the messages.
  static std::unique_ptr<ChatTemplate> parse(std::string_view text, const std::string& name);
  /// The folder's template (chat_template.jinja, else tokenizer_config.json: a string or a named
  /// list), with the special tokens of tokenizer_config.json as variables; nullptr when the folder
  /// has none.
  static std::unique_ptr<ChatTemplate> load(const std::string& folder);

  struct Input {
    std::string
        messages_json;  ///< array of {"role", "content", ...}; keys that are null are dropped first
    std::string tools_json;      ///< array, or empty for none
    std::string documents_json;  ///< array, or empty for none
    std::string variables_json;  ///< object of further variables, or empty
    bool add_generation_prompt = true;
    std::string now;  ///< "YYYY-MM-DDTHH:MM:SS" that strftime_now sees; empty: the clock
    bool drop_null_keys = true;
  };
  /// Throws Error(kBadInput): the message of raise_exception, or the line and what is unknown, or a
  /// limit that was exceeded.
  virtual std::string render(const Input& input) const = 0;
};

/// Conversations as prompt ids: by the folder's chat template, or ChatML by rule for Qwen v1's chat
/// checkpoints (generation_config.json: chat_format "chatml"), which carry no template.
class ChatPrompter {
 public:
  virtual ~ChatPrompter() = default;
  /// nullptr when the folder knows no conversations (a base checkpoint).
  static std::unique_ptr<ChatPrompter> load(const std::string& folder);

  struct Prompt {
    std::vector<int32_t> ids;   ///< ends where the answer begins
    int64_t dropped_turns = 0;  ///< oldest turns left out by the format's own window
  };
  /// `messages_json`: array of {"role", "content"}. Throws Error(kBadInput), as ChatTemplate.
  virtual Prompt prompt(const std::string& messages_json, const Tokenizer& tokenizer) const = 0;
  /// Ids that end an answer beside those of the checkpoint's configuration.
  virtual std::vector<int32_t> end_ids(const Tokenizer& tokenizer) const = 0;
};

}  // namespace tandem
