// The mode without a command: tandem --model_type ... --model_path DIR --world_size N.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/pseudo_terminal.h"
#include "support/talking_folder.h"
#include "support/tandem_json.h"

namespace tandem::test {
namespace {

using testing::HasSubstr;
using Args = std::vector<std::string>;

class Plain : public testing::Test {
 protected:
  static Outcome run(const std::string& folder, const Args& more, const std::string& input) {
    Args args = {"--model_path", folder, "--threads", "1", "--max_new_tokens", "12"};
    args.insert(args.end(), more.begin(), more.end());
    Program::Options options;
    options.input = input;
    return tandem(args, options);
  }

  TempFolder temp_;
};

TEST_F(Plain, ABaseCheckpointCompletesEachLine) {
  const std::string folder = completing_llama(temp_);
  const Outcome all = run(folder, {"--model_type", "llama2", "--world_size", "2", "--use_mc2"},
                          "hello there\n\nwhat is it\n");
  EXPECT_EQ(all.exit_code, 0) << all.err;
  std::string expected;
  for (const char* line : {"hello there", "what is it"}) {
    const auto one = tandem_json(
        {"generate", "--model_path", folder, "--prompt", line, "--max_new_tokens", "12", "--json"});
    ASSERT_EQ(one.size(), 1U);
    expected += one[0].find("text")->string() + "\n";
  }
  EXPECT_EQ(all.out, expected);
}

TEST_F(Plain, AChatCheckpointConverses) {
  const std::string folder = talking_llama(temp_);
  const std::string questions = "hello there\nwhat is it\n";
  const Outcome plain = run(folder, {"--model_type=auto", "--world_size=3"}, questions);
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  Program::Options options;
  options.input = questions;
  const Outcome chat =
      tandem({"chat", "--model_path", folder, "--threads", "1", "--max_new_tokens", "12"}, options);
  EXPECT_EQ(plain.out, chat.out);
  EXPECT_EQ(std::count(plain.out.begin(), plain.out.end(), '\n') >= 2, true);
}

TEST_F(Plain, AtATerminal) {
  PseudoTerminal terminal(tandem_binary(),
                          {"--model_type", "llama2", "--model_path", completing_llama(temp_),
                           "--world_size", "2", "--ignore_eos", "--max_new_tokens", "200000"});
  ASSERT_TRUE(terminal.await("A base checkpoint"));
  ASSERT_TRUE(terminal.await("> "));
  terminal.type("hello there\n");
  ASSERT_TRUE(terminal.await("there\r\n"));
  ASSERT_TRUE(terminal.await_anything());
  terminal.type("\x03");
  ASSERT_TRUE(terminal.await("(stopped)"));
  terminal.type("\x04");
  EXPECT_EQ(terminal.exit_code(), 0);
}

TEST_F(Plain, AModelTypeThatDoesNotFitIsRefusedByName) {
  const std::string llama = talking_llama(temp_);
  const std::vector<std::pair<Args, std::string>> bad = {
      {{"--model_type", "qwen"}, "--model_type qwen does not fit"},
      {{"--model_type", "gpt2"}, "\"gpt2\"; expected llama2, qwen or auto"},
      {{"--model_type", "llama2", "--no_such"}, "--no_such"}};
  for (const auto& [args, text] : bad) {
    const Outcome refused = run(llama, args, "q\n");
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_EQ(refused.out, "");
    EXPECT_THAT(refused.err, HasSubstr(text));
  }
  const Outcome mistral =
      run(test_data() + "/golden/models/mistral-swa-f32", {"--model_type", "llama2"}, "q\n");
  EXPECT_EQ(mistral.exit_code, 2);
  EXPECT_THAT(mistral.err, HasSubstr("\"mistral\""));
  EXPECT_THAT(tandem({"--model_type", "auto"}).err, HasSubstr("--model_path"));
}

TEST_F(Plain, HelpListsItsOptions) {
  const std::string top = tandem({"--help"}).out;
  const std::string own = tandem({"--model_type", "auto", "--help"}).out;
  for (const char* option : {"--model_type", "--model_path", "--use_mc2", "--temperature"}) {
    EXPECT_THAT(top, HasSubstr(option));
    EXPECT_THAT(own, HasSubstr(option));
  }
  EXPECT_THAT(top, HasSubstr("chat"));
}

}  // namespace
}  // namespace tandem::test
