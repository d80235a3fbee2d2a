// Conversations with a Qwen v1 folder: ChatML by rule, its stop tokens, its own window of history.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "support/pseudo_terminal.h"
#include "support/talking_folder.h"
#include "support/tandem_json.h"

namespace tandem::test {
namespace {

using testing::HasSubstr;

std::vector<Json> transcript_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<Json> list;
  for (std::string line; std::getline(file, line);) list.push_back(Json::parse(line, "transcript"));
  return list;
}

/// Three turns at a terminal; the transcript. `done` is on the screen when an answer has ended.
std::vector<Json> three_turns(const std::string& folder, std::vector<std::string> more,
                              const TempFolder& temp) {
  const std::string transcript = temp.file("transcript");
  std::vector<std::string> args = {"chat",     "--model_path", folder,     "--temperature", "0",
                                   "--digest", "--transcript", transcript, "--world_size",  "2"};
  args.insert(args.end(), more.begin(), more.end());
  PseudoTerminal terminal(tandem_binary(), args);
  EXPECT_TRUE(terminal.await("> "));
  for (const char* question :
       {"What is the capital of France?", "And of Germany?", "What is two plus two?"}) {
    terminal.type(std::string(question) + "\n");
    EXPECT_TRUE(terminal.await(std::string(question) + "\r\n"));
    EXPECT_TRUE(terminal.await("> "));
  }
  terminal.type("\x04");
  EXPECT_EQ(terminal.exit_code(), 0);
  return transcript_of(transcript);
}

void expect_cold_digest(const Json& turn, const std::string& folder, const std::string& world) {
  const auto ids = integers(turn, "output_ids");
  const auto cold =
      tandem_json({"generate", "--model_path", folder, "--world_size", world, "--temperature", "0",
                   "--ignore_eos", "--prompt_ids", joined(integers(turn, "prompt_ids")),
                   "--max_new_tokens", std::to_string(ids.size()), "--digest", "--json"});
  ASSERT_EQ(cold.size(), 1U);
  EXPECT_EQ(integers(cold[0], "output_ids"), ids);
  EXPECT_EQ(cold[0].find("digest")->string(), turn.find("digest")->string());
}

/// A random Qwen v1 folder of the repository's vocabulary, made by the tools that users have.
class SmallQwen : public testing::Test {
 protected:
  void SetUp() override {
    const std::string tools = test_data() + "/../../tools/";
    const std::string llama = temp_.file("llama");
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"python3", tools + "make_random_checkpoint.py", "--shape",
                                   "tiny", "--tokenizer", test_data() + "/tokenizers/digits",
                                   llama},
          std::vector<std::string>{"python3", tools + "make_qwen_from_llama.py", llama, folder_}}) {
      const Outcome made = run_program("/usr/bin/env", command);
      ASSERT_EQ(made.exit_code, 0) << made.err;
    }
    std::ifstream ranks(folder_ + "/qwen.tiktoken");
    const auto lines = std::count(std::istreambuf_iterator<char>(ranks), {}, '\n');
    im_start_ = lines + 1;
    im_end_ = lines + 2;
  }

  TempFolder temp_;
  std::string folder_ = temp_.file("qwen");
  int64_t im_start_ = 0;
  int64_t im_end_ = 0;
};

TEST_F(SmallQwen, TheWindowTrimsTheHistory) {
  replace_in_file(folder_ + "/generation_config.json", "\"max_window_size\": 6144",
                  "\"max_window_size\": 80");
  const auto turns = three_turns(folder_, {"--threads", "1", "--max_new_tokens", "8"}, temp_);
  ASSERT_EQ(turns.size(), 3U);
  int64_t dropped = 0;
  for (const Json& turn : turns) {
    const auto prompt = integers(turn, "prompt_ids");
    EXPECT_EQ(prompt.front(), im_start_);
    dropped += turn.find("dropped_turns")->integer();
  }
  EXPECT_GT(dropped, 0);
  for (const char* world : {"1", "3"}) expect_cold_digest(turns[2], folder_, world);
}

TEST_F(SmallQwen, BothMarksOfTheFrameEndAnAnswer) {
  bool start = false;
  bool end = false;
  for (int seed = 0; seed < 12; ++seed) {
    const auto answer = tandem_json(
        {"generate", "--model_path", folder_, "--threads", "1", "--chat", "hello", "--temperature",
         "1", "--top_p", "1", "--seed", std::to_string(seed), "--max_new_tokens", "180", "--json"});
    ASSERT_EQ(answer.size(), 1U);
    const auto ids = integers(answer[0], "output_ids");
    const auto mark = std::find_if(ids.begin(), ids.end(),
                                   [&](int64_t id) { return id == im_start_ || id == im_end_; });
    if (mark == ids.end()) continue;
    EXPECT_EQ(mark + 1, ids.end());
    EXPECT_EQ(answer[0].find("finish_reason")->string(), "stop");
    start = start || *mark == im_start_;
    end = end || *mark == im_end_;
  }
  EXPECT_TRUE(start);
  EXPECT_TRUE(end);
}

TEST_F(SmallQwen, AMissingVocabularyIsNamed) {
  std::filesystem::remove(folder_ + "/qwen.tiktoken");
  for (const char* option : {"--chat", "--prompt"}) {
    const Outcome run = tandem({"generate", "--model_path", folder_, option, "q"});
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_EQ(run.out, "");
    EXPECT_THAT(run.err, HasSubstr("qwen.tiktoken is missing"));
  }
}

/// The real small model as it is, and rewritten as Qwen v1 by the tool of the README.
TEST(TalkingSmolLm2, ThreeTurnsEqualAColdRun) {
  const std::string llama = smollm2_folder();
  if (!std::filesystem::exists(llama + "/model.safetensors"))
    GTEST_SKIP() << "no SmolLM2 here: run ./demo.sh once, or set TANDEM_SMOLLM2 to its folder";
  const TempFolder temp;
  const std::string qwen = temp.file("qwen");
  const Outcome made =
      run_program("/usr/bin/env",
                  {"python3", test_data() + "/../../tools/make_qwen_from_llama.py", llama, qwen});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  for (const std::string& folder : {llama, qwen}) {
    SCOPED_TRACE(folder);
    const TempFolder own;
    const auto turns = three_turns(folder, {"--max_new_tokens", "60"}, own);
    ASSERT_EQ(turns.size(), 3U);
    EXPECT_THAT(turns[0].find("text")->string(), HasSubstr("Paris"));
    for (const Json& turn : turns) EXPECT_EQ(turn.find("finish_reason")->string(), "stop");
    expect_cold_digest(turns[2], folder, "1");
  }
}

TEST(TalkingErrors, AnUnknownArchitectureNamesItselfAndThoseThatExist) {
  const TempFolder temp;
  const std::string folder = talking_llama(temp);
  replace_in_file(folder + "/config.json", "LlamaForCausalLM", "GemmaForCausalLM");
  replace_in_file(folder + "/config.json", "\"model_type\": \"llama\"",
                  "\"model_type\": \"gemma\"");
  const Outcome run = tandem({"chat", "--model_path", folder});
  EXPECT_EQ(run.exit_code, 2);
  for (const char* name : {"Gemma", "LlamaForCausalLM", "QWenLMHeadModel"})
    EXPECT_THAT(run.err, HasSubstr(name));
}

TEST(TalkingErrors, ATemplateThatCallsSomethingUnknownNamesItAndItsLine) {
  const TempFolder temp;
  const std::string folder = talking_llama(temp);
  replace_in_file(folder + "/tokenizer_config.json", "{{ bos_token }}", "\\n{{ conjure(1) }}");
  const Outcome run = tandem({"generate", "--model_path", folder, "--chat", "q"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("conjure"));
  EXPECT_THAT(run.err, HasSubstr("line 2"));
}

}  // namespace
}  // namespace tandem::test
