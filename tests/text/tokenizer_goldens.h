// Tokenizer references: goldens.jsonl and stream.jsonl of a folder, compared line by line.
#pragma once

#include <string>

namespace tandem::test {

/// Every line of FOLDER/goldens.jsonl: ids, text, text without special tokens, both also through
/// the incremental detokenizer.
void expect_goldens(const std::string& folder);
/// Every line of FOLDER/stream.jsonl: the pieces of the incremental detokenizer joined are the
/// text, each is whole UTF-8, and each comes as early as it can be certain.
void expect_streams(const std::string& folder);
/// Every line of a file beside the tokenizer: `ids` give `decoded`.
void expect_decodings(const std::string& path);

}  // namespace tandem::test
