#include "text/tokenizer_goldens.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "json/json.h"
#include "tandem/text.h"
#include "text/tokenizer/utf8.h"

namespace tandem::test {
namespace {

std::vector<Json> read_lines(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<Json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(Json::parse(line, path));
  EXPECT_FALSE(lines.empty()) << path;
  return lines;
}

std::vector<int32_t> ids_of(const Json& line) {
  std::vector<int32_t> ids;
  for (const Json& id : line.find("ids")->array())
    ids.push_back(static_cast<int32_t>(id.integer()));
  return ids;
}

std::string streamed(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool skip,
                     std::vector<std::string>* pieces) {
  const auto stream = tokenizer.detokenizer(skip);
  std::string text;
  for (size_t i = 0; i <= ids.size(); ++i) {
    const std::string piece = i < ids.size() ? stream->push(ids[i]) : stream->finish();
    EXPECT_EQ(first_invalid_utf8(piece), std::string::npos);
    text += piece;
    if (pieces != nullptr) pieces->push_back(piece);
  }
  return text;
}

}  // namespace

void expect_goldens(const std::string& folder) {
  const auto tokenizer = Tokenizer::load(folder);
  for (const Json& line : read_lines(folder + "/goldens.jsonl")) {
    const std::vector<int32_t> ids = ids_of(line);
    SCOPED_TRACE(line.dump().substr(0, 200));
    if (const Json* text = line.find("text"); text != nullptr) {
      EncodeOptions options;
      options.add_special_tokens = line.find("add_special_tokens")->boolean();
      const Json* allowed = line.find("allowed_special");
      options.allow_special = allowed == nullptr || allowed->string() == "all";
      EXPECT_EQ(tokenizer->encode(text->string(), options), ids);
    }
    EXPECT_EQ(tokenizer->decode(ids, false), line.find("decoded")->string());
    EXPECT_EQ(tokenizer->decode(ids, true), line.find("decoded_skip_special")->string());
    EXPECT_EQ(streamed(*tokenizer, ids, false, nullptr), line.find("decoded")->string());
    EXPECT_EQ(streamed(*tokenizer, ids, true, nullptr),
              line.find("decoded_skip_special")->string());
    if (testing::Test::HasFailure()) return;
  }
}

void expect_streams(const std::string& folder) {
  const auto tokenizer = Tokenizer::load(folder);
  for (const Json& line : read_lines(folder + "/stream.jsonl")) {
    SCOPED_TRACE(line.find("note")->string() + " " + line.find("ids")->dump());
    const std::vector<int32_t> ids = ids_of(line);
    std::vector<std::string> pieces;
    EXPECT_EQ(streamed(*tokenizer, ids, false, &pieces), line.find("decoded")->string());
    EXPECT_EQ(streamed(*tokenizer, ids, true, nullptr),
              line.find("decoded_skip_special")->string());
    const Json::Array& earliest = line.find("pieces")->array();
    ASSERT_EQ(pieces.size(), earliest.size());
    for (size_t i = 0; i < pieces.size(); ++i) EXPECT_EQ(pieces[i], earliest[i].string()) << i;
  }
}

void expect_decodings(const std::string& path) {
  const auto tokenizer = Tokenizer::load(std::filesystem::path(path).parent_path().string());
  for (const Json& line : read_lines(path))
    EXPECT_EQ(tokenizer->decode(ids_of(line), false), line.find("decoded")->string())
        << line.dump();
}

}  // namespace tandem::test
