// Turns what a user gives into ids: knows a folder's vocabulary and its form of conversations.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tandem/engine.h"

namespace tandem::cli {

/// Throws Error(kBadInput) when text is asked for and the folder has no vocabulary; names the file
/// that is missing. Looks at file names only, so that it can be asked before loading. A folder
/// without config.json passes: the engine says what is wrong with it.
void require_vocabulary(const std::string& folder);

class PromptEncoder {
 public:
  /// The engine must outlive this.
  PromptEncoder(const Engine& engine, std::string folder)
      : engine_(engine), folder_(std::move(folder)) {}

  std::vector<int32_t> text(const std::string& prompt) const { return tokenizer().encode(prompt); }
  /// Ids of a conversation as JSON. Throws Error(kBadInput) when the folder knows none.
  std::vector<int32_t> messages(const std::string& json);
  /// Ids that end an answer, when a conversation was asked for.
  std::vector<int32_t> chat_end_ids() const;

 private:
  const Tokenizer& tokenizer() const;

  const Engine& engine_;
  std::string folder_;
  std::unique_ptr<ChatPrompter> prompter_;
};

}  // namespace tandem::cli
