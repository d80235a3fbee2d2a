// Small folders that can talk, made of the committed references.
#pragma once

#include <string>

#include "support/temp_folder.h"

namespace tandem::test {

/// llama-gqa-bf16 with a committed vocabulary (words with their spaces) and a chat template of our
/// own, in `name` inside of `temp`. It takes 300,000 tokens, so that an answer can be long enough
/// to be stopped. Its answers make no sense and never end by themselves with --ignore_eos.
std::string talking_llama(const TempFolder& temp, const std::string& name = "talking_llama");
/// The same without a template: a base checkpoint that takes text.
std::string completing_llama(const TempFolder& temp, const std::string& name = "completing_llama");

/// Replaces `from` in a file, which must hold it.
void replace_in_file(const std::string& path, const std::string& from, const std::string& to);

}  // namespace tandem::test
