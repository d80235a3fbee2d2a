// tandem tokenize and detokenize: what goes in, what comes out, what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/tandem_json.h"

namespace tandem::test {
namespace {

using testing::HasSubstr;
using Args = std::vector<std::string>;

std::string model() { return test_data() + "/tokenizers/byte_fallback"; }

Args command(const std::string& name, const Args& more) {
  Args args = {name, "--model_path", model()};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

std::vector<int64_t> ids_of(const Args& more) {
  Args args = command("tokenize", more);
  args.push_back("--json");
  const auto lines = tandem_json(args);
  return lines.empty() ? std::vector<int64_t>{} : integers(lines.front(), "ids");
}

std::string text_of(const Args& more) {
  Args args = command("detokenize", more);
  args.push_back("--json");
  const auto lines = tandem_json(args);
  return lines.empty() ? "" : lines.front().find("text")->string();
}

void expect_refused(const Args& args, const std::string& word, const std::string& input = "") {
  SCOPED_TRACE(testing::PrintToString(args));
  Program::Options options;
  options.input = input;
  const Outcome run = tandem(args, options);
  EXPECT_EQ(run.exit_code, 2) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_TRUE(run.err.starts_with("tandem: error: ")) << run.err;
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  EXPECT_THAT(run.err, HasSubstr(word));
}

TEST(Tokenize, TextBecomesIdsAndIdsBecomeText) {
  const auto ids = ids_of({"--text", "A rank reads 你."});
  ASSERT_GE(ids.size(), 3U);
  EXPECT_EQ(ids.front(), 0);  // <s>
  EXPECT_EQ(ids.back(), 1);   // </s>
  EXPECT_EQ(ids_of({"--text", "A rank reads 你.", "--no_special"}),
            std::vector<int64_t>(ids.begin() + 1, ids.end() - 1));
  EXPECT_EQ(text_of({"--ids", joined(ids)}), "<s> A rank reads 你.</s>");
  EXPECT_EQ(text_of({"--ids", joined(ids), "--no_special"}), "A rank reads 你.");
  EXPECT_EQ(tandem(command("tokenize", {"--text", "A rank reads 你."})).out, joined(ids) + "\n");
  EXPECT_EQ(tandem(command("detokenize", {"--ids", joined(ids), "--no-special"})).out,
            "A rank reads 你.\n");
}

TEST(Tokenize, JsonLinesHaveOptionsOfTheirOwn) {
  const TempFolder folder;
  const std::string path = folder.write("lines.jsonl",
                                        "{\"text\": \"a\\u2028</s>\"}\n\n"
                                        "{\"text\": \"</s>\", \"add_special_tokens\": false}\n"
                                        "{\"text\": \"</s>\", \"add_special_tokens\": false, "
                                        "\"allowed_special\": \"none\"}");
  const auto lines = tandem_json(command("tokenize", {"--jsonl", path}));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].find("decoded")->string(), "<s> a\u2028</s></s>");
  EXPECT_EQ(lines[0].find("decoded_skip_special")->string(), "a\u2028");
  EXPECT_EQ(integers(lines[1], "ids"), std::vector<int64_t>{1});
  EXPECT_GT(integers(lines[2], "ids").size(), 1U);
  EXPECT_EQ(lines[2].find("decoded_skip_special")->string(), "</s>");
}

TEST(Tokenize, ListsComeFromFilesAndStandardInput) {
  const TempFolder folder;
  const std::string list = joined(ids_of({"--text", "one small step", "--no_special"}));
  EXPECT_EQ(text_of({"--ids", "@" + folder.write("ids", list + "\n")}), "one small step");
  Program::Options options;
  options.input = list;
  EXPECT_EQ(tandem(command("detokenize", {"--ids", "-"}), options).out, "one small step\n");
  options.input = "{\"text\": \"x\", \"add_special_tokens\": false}\n";
  EXPECT_THAT(tandem(command("tokenize", {"--jsonl", "-"}), options).out,
              HasSubstr("\"decoded\":\"x\""));
}

TEST(Tokenize, WrongInputIsRefused) {
  expect_refused(command("tokenize", {}), "--text");
  expect_refused(command("tokenize", {"--text", "a", "--jsonl", "-"}), "--jsonl");
  expect_refused(command("tokenize", {"--text", "a\xff"}), "UTF-8");
  expect_refused(command("tokenize", {"--jsonl", "-"}), "line 2", "{\"text\": \"a\"}\n{\"text\"\n");
  expect_refused(command("tokenize", {"--jsonl", "-"}), "text is missing", "{}");
  expect_refused(command("tokenize", {"--jsonl", "-"}), "allowed_special",
                 "{\"text\": \"a\", \"allowed_special\": \"some\"}");
  expect_refused(command("tokenize", {"--jsonl", "no_such_file"}), "no_such_file");
  expect_refused({"tokenize", "--text", "a"}, "model_path");
  expect_refused({"tokenize", "--model_path", "no_such_folder", "--text", "a"}, "no_such_folder");
}

TEST(Detokenize, WrongIdsAreRefused) {
  expect_refused(command("detokenize", {}), "--ids");
  expect_refused(command("detokenize", {"--ids", "100000"}), "100000");
  expect_refused(command("detokenize", {"--ids=-1"}), "-1");
  expect_refused(command("detokenize", {"--ids", "1,x"}), "\"x\"");
  expect_refused(command("detokenize", {"--ids", "99999999999"}), "99999999999");
  expect_refused(command("detokenize", {"--ids", "1.5"}), "1.5");
  expect_refused(command("detokenize", {"--ids", "@no_such_file"}), "no_such_file");
}

}  // namespace
}  // namespace tandem::test
