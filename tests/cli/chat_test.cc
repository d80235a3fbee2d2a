// tandem chat at a pseudo-terminal and in a pipe.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/pseudo_terminal.h"
#include "support/talking_folder.h"
#include "support/tandem_json.h"

namespace tandem::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using Args = std::vector<std::string>;

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> list;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) list.push_back(Json::parse(line, "line"));
  return list;
}

class Chat : public testing::Test {
 protected:
  Args chat(const Args& more) const {
    Args args = {"chat",         "--model_path",     folder_, "--threads", "1", "--temperature=0",
                 "--ignore_eos", "--max_new_tokens", "20"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  Outcome piped(const Args& more, const std::string& input) const {
    Program::Options options;
    options.input = input;
    return tandem(chat(more), options);
  }
  std::vector<Json> transcript() const { return lines_of(temp_.file("transcript")); }
  static std::vector<Json> lines_of(const std::string& path) {
    std::ifstream file(path);
    return json_lines({std::istreambuf_iterator<char>(file), {}});
  }

  TempFolder temp_;
  std::string folder_ = talking_llama(temp_);
};

/// The ids of a turn's prompt, its answer, and what the next prompt must begin with.
std::vector<int64_t> seen(const Json& turn) {
  std::vector<int64_t> ids = integers(turn, "prompt_ids");
  const auto output = integers(turn, "output_ids");
  ids.insert(ids.end(), output.begin(), output.end());
  return ids;
}

/// Every bit of the logits of `turn` must be those of a run that has seen nothing before.
void expect_equal_to_cold_run(const Json& turn, const std::string& folder, int world_size) {
  const auto output = integers(turn, "output_ids");
  const auto cold =
      tandem_json({"generate", "--model_path", folder, "--threads", "1", "--world_size",
                   std::to_string(world_size), "--temperature", "0", "--ignore_eos", "--prompt_ids",
                   joined(integers(turn, "prompt_ids")), "--max_new_tokens",
                   std::to_string(output.size()), "--digest", "--json"});
  ASSERT_EQ(cold.size(), 1U);
  EXPECT_EQ(cold[0].find("cached_prompt_tokens")->integer(), 0);
  EXPECT_EQ(integers(cold[0], "output_ids"), output);
  EXPECT_EQ(cold[0].find("digest")->string(), turn.find("digest")->string());
}

void expect_continues(const Json& before, const Json& turn) {
  const auto cached = seen(before);
  const auto prompt = integers(turn, "prompt_ids");
  ASSERT_GT(prompt.size(), cached.size());
  EXPECT_TRUE(std::equal(cached.begin(), cached.end(), prompt.begin()));
  // The last id of an answer has been chosen but not computed.
  EXPECT_GE(turn.find("cached_prompt_tokens")->integer(), static_cast<int64_t>(cached.size()) - 1);
}

TEST_F(Chat, ThreeTurnsAtATerminalWithCtrlC) {
  PseudoTerminal terminal(tandem_binary(), chat({"--world_size", "2", "--digest", "--transcript",
                                                 temp_.file("transcript")}));
  ASSERT_TRUE(terminal.await("/help"));
  ASSERT_TRUE(terminal.await("> "));
  terminal.type("hello there\n");
  ASSERT_TRUE(terminal.await("(cut off after 20 tokens"));
  terminal.type("/max_new_tokens 200000\n");
  ASSERT_TRUE(terminal.await("(answers have 200000 tokens at most)"));
  terminal.type("go on\n");
  ASSERT_TRUE(terminal.await("go on\r\n"));
  ASSERT_TRUE(terminal.await_anything());
  terminal.type("\x03");
  ASSERT_TRUE(terminal.await("(stopped)"));
  terminal.type("/max_new_tokens 20\n");
  ASSERT_TRUE(terminal.await("at most)"));
  terminal.type("and now?\n");
  ASSERT_TRUE(terminal.await("(cut off after 20 tokens"));
  terminal.type("/stats\n");
  ASSERT_TRUE(terminal.await("3 turns"));
  ASSERT_TRUE(terminal.await("digest"));
  terminal.type("\x04");
  EXPECT_EQ(terminal.exit_code(), 0);

  const auto turns = transcript();
  ASSERT_EQ(turns.size(), 3U);
  EXPECT_EQ(turns[0].find("finish_reason")->string(), "length");
  EXPECT_EQ(turns[1].find("finish_reason")->string(), "cancelled");
  EXPECT_LT(integers(turns[1], "output_ids").size(), 200000U);
  EXPECT_THAT(terminal.screen(), HasSubstr(turns[2].find("digest")->string()));
  expect_continues(turns[0], turns[1]);
  expect_continues(turns[1], turns[2]);
  for (const int world_size : {1, 3}) expect_equal_to_cold_run(turns[2], folder_, world_size);
}

TEST_F(Chat, CommandsAtATerminal) {
  PseudoTerminal terminal(tandem_binary(), chat({"--transcript", temp_.file("transcript")}));
  ASSERT_TRUE(terminal.await("> "));
  terminal.type("/help\n");
  for (const char* command : {"/reset", "/system", "/stats", "/quit", "Ctrl-C"})
    ASSERT_TRUE(terminal.await(command));
  terminal.type("/rest\n");
  ASSERT_TRUE(terminal.await("/rest is no command"));
  terminal.type("/stats\n");
  ASSERT_TRUE(terminal.await("0 turns"));
  terminal.type("one\n");
  ASSERT_TRUE(terminal.await("(cut off"));
  terminal.type("/reset\n");
  ASSERT_TRUE(terminal.await("(a new conversation)"));
  terminal.type("one\n");
  ASSERT_TRUE(terminal.await("(cut off"));
  terminal.type("/system be brief\n");
  ASSERT_TRUE(terminal.await("(a new conversation)"));
  terminal.type("one\n");
  ASSERT_TRUE(terminal.await("(cut off"));
  terminal.type("/quit\n");
  EXPECT_EQ(terminal.exit_code(), 0);
  const auto turns = transcript();
  ASSERT_EQ(turns.size(), 3U);
  EXPECT_EQ(seen(turns[1]), seen(turns[0]));
  EXPECT_GT(integers(turns[2], "prompt_ids").size(), integers(turns[1], "prompt_ids").size());
}

TEST_F(Chat, ASecondCtrlCAtAnEmptyPromptEnds) {
  PseudoTerminal terminal(tandem_binary(), chat({}));
  ASSERT_TRUE(terminal.await("> "));
  terminal.type("\x03");
  ASSERT_TRUE(terminal.await("(Ctrl-C again"));
  ASSERT_TRUE(terminal.await("> "));
  terminal.type("begun");
  ASSERT_TRUE(terminal.await("begun"));
  terminal.type("\x03");  // throws the line away, no more
  ASSERT_TRUE(terminal.await("^C"));
  ASSERT_TRUE(terminal.await("> "));  // what comes before the prompt belongs to what was before
  terminal.type("\x03");
  ASSERT_TRUE(terminal.await("(Ctrl-C again"));
  ASSERT_TRUE(terminal.await("> "));
  terminal.type("\x03");
  EXPECT_EQ(terminal.exit_code(), 0);
}

TEST_F(Chat, SigtermAtThePromptEnds) {
  PseudoTerminal terminal(tandem_binary(), chat({"--world_size", "2"}));
  ASSERT_TRUE(terminal.await("> "));
  terminal.signal(SIGTERM);
  EXPECT_EQ(terminal.exit_code(), 128 + SIGTERM);
  EXPECT_THAT(terminal.screen(), HasSubstr("tandem: error: interrupted by a signal"));
}

TEST_F(Chat, LinesInAnswersOutInAPipe) {
  const Outcome run = piped({}, "hello there\n\n  \nwhat is it");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  const Outcome json = piped({"--json", "--digest"}, "hello there\r\nwhat is it\r\n");
  const auto turns = json_lines(json.out);
  ASSERT_EQ(turns.size(), 2U);
  expect_continues(turns[0], turns[1]);
  expect_equal_to_cold_run(turns[1], folder_, 2);
  EXPECT_EQ(run.out,
            turns[0].find("text")->string() + "\n" + turns[1].find("text")->string() + "\n");
}

TEST_F(Chat, WhatIsNoAnswerGoesToStandardErrorInAPipe) {
  const Outcome run =
      piped({"--json"}, "/help\n/reset\n/stats\n/no_such\n/max_new_tokens x\n/quit\nq\n");
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.out, "");
  for (const char* text : {"/reset", "0 turns", "/no_such is no command", "\"x\" is no number"})
    EXPECT_THAT(run.err, HasSubstr(text));
}

TEST_F(Chat, ALineThatBeginsWithASlashCanBeSaid) {
  const auto slash = json_lines(piped({"--json"}, "//a\n").out);
  ASSERT_EQ(slash.size(), 1U);
  const auto plain = json_lines(piped({"--json"}, "a\n").out);
  EXPECT_EQ(integers(slash[0], "prompt_ids").size(), integers(plain[0], "prompt_ids").size() + 1);
}

TEST_F(Chat, OldestTurnsAreDroppedAndItIsSaid) {
  const Outcome run =
      piped({"--max_seq_len", "120", "--json"}, "hello there\nwhat is it\nand now?\nthen?\n");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  const auto turns = json_lines(run.out);
  ASSERT_EQ(turns.size(), 4U);
  int64_t dropped = 0;
  for (const Json& turn : turns) {
    dropped += turn.find("dropped_turns")->integer();
    EXPECT_LE(seen(turn).size(), 120U);
  }
  EXPECT_GT(dropped, 0);
  EXPECT_THAT(run.err, HasSubstr("its oldest turn is forgotten"));
}

TEST_F(Chat, Refusals) {
  const Outcome too_long = piped({"--max_seq_len", "64"}, std::string(400, '7') + "\n");
  EXPECT_EQ(too_long.exit_code, 2);
  EXPECT_THAT(too_long.err, HasSubstr("the question has"));
  const Outcome bytes = piped({}, "\xff\xfe\n");
  EXPECT_EQ(bytes.exit_code, 2) << bytes.err;
  EXPECT_THAT(bytes.err, HasSubstr("UTF-8"));
  EXPECT_EQ(bytes.out, "");
  const Outcome file = piped({"--transcript", "/no/such/folder/file"}, "");
  EXPECT_EQ(file.exit_code, 2);
  EXPECT_THAT(file.err, HasSubstr("/no/such/folder/file"));
  folder_ = completing_llama(temp_);
  const Outcome base = piped({}, "q\n");
  EXPECT_EQ(base.exit_code, 2);
  EXPECT_THAT(base.err, HasSubstr("base checkpoint"));
  folder_ = "/no/such/folder";
  EXPECT_THAT(piped({}, "q\n").err, HasSubstr("there is no such folder"));
}

}  // namespace
}  // namespace tandem::test
