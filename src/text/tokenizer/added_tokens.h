// Tokens that are found in the text before the model sees it ("added_tokens" of tokenizer.json).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer/function_ref.h"

namespace tandem {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;
  bool normalized = false;   ///< looked for in the normalized text, spelled normalized
  bool lstrip = false;       ///< takes the white space before it along
  bool rstrip = false;       ///< takes the white space behind it along
  bool single_word = false;  ///< only where no word character touches it
};

/// A part of a text: one added token, or what lies between two.
struct TextPart {
  std::string_view text;
  int32_t id = -1;  ///< -1: ordinary text
};

/// Finds a set of strings in a text: leftmost first, the longest of those that begin there.
class AddedTokenMatcher {
 public:
  /// `token.content` is what is looked for; of two equal ones the later counts.
  explicit AddedTokenMatcher(const std::vector<AddedToken>& tokens);

  bool empty() const { return tokens_.empty(); }
  /// Gives the parts of `text` (valid UTF-8) in order. Special tokens stay text when not allowed.
  void split(std::string_view text, bool allow_special, FunctionRef<void(TextPart)> emit) const;

 private:
  struct Node {
    std::vector<std::pair<uint8_t, uint32_t>> next;  // few; sorted by byte
    int32_t token = -1;
  };
  struct Match {
    size_t end = 0;
    int32_t token = -1;
  };
  Match longest_at(std::string_view text, size_t at) const;
  size_t next_candidate(std::string_view text, size_t at) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  bool begins_[256] = {};
};

}  // namespace tandem
