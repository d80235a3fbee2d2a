// The command line's manners: refusals, help, spelling, what goes to which stream.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/tandem_json.h"

namespace tandem::test {
namespace {

using testing::HasSubstr;
using Args = std::vector<std::string>;

std::string model() { return test_data() + "/golden/models/llama-gqa-bf16"; }

Args generate(const Args& more) {
  Args args = {"generate", "--model_path", model(), "--threads", "1"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

/// Exit code 2, nothing on stdout, one line `tandem: error: ...` on stderr.
void expect_refused(const Args& args, const std::string& word) {
  const Outcome run = tandem(args);
  std::string command;
  for (const auto& arg : args) command += " " + arg;
  SCOPED_TRACE(command);
  EXPECT_EQ(run.exit_code, 2) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_TRUE(run.err.starts_with("tandem: error: ")) << run.err;
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  EXPECT_THAT(run.err, HasSubstr(word));
}

TEST(CliOptions, BadUsageIsRefusedInOneLine) {
  expect_refused({}, "--help");
  expect_refused({"no_such_command"}, "--help");
  expect_refused({"generate", "--prompt_ids", "1"}, "model_path");
  expect_refused(generate({}), "prompt");
  expect_refused(generate({"--prompt_ids", "1", "--no_such_option"}), "no_such_option");
}

TEST(CliOptions, ValuesOutOfRangeAreRefusedByName) {
  const std::vector<std::pair<std::string, std::string>> bad = {{"--world_size", "0"},
                                                                {"--world_size", "-1"},
                                                                {"--world_size", "two"},
                                                                {"--world_size", "100000000"},
                                                                {"--threads", "-1"},
                                                                {"--threads", "100000000"},
                                                                {"--device", "tpu"},
                                                                {"--isa", "mmx"},
                                                                {"--dtype", "int3"},
                                                                {"--max_new_tokens", "-1"},
                                                                {"--temperature", "-0.5"},
                                                                {"--temperature", "nan"},
                                                                {"--top_k", "-1"},
                                                                {"--top_p", "1.5"},
                                                                {"--min_p", "-0.1"},
                                                                {"--repetition_penalty", "0"},
                                                                {"--repetition_penalty", "inf"},
                                                                {"--seed", "-3"},
                                                                {"--seed", "18446744073709551616"},
                                                                {"--max_new_tokens", "010"},
                                                                {"--max_new_tokens", "0x10"},
                                                                {"--max_new_tokens", "1e3"},
                                                                {"--max_seq_len", "-1"},
                                                                {"--max_batch", "0"},
                                                                {"--prefill_chunk", "-1"},
                                                                {"--rank_timeout", "0"},
                                                                {"--use_mc2", "perhaps"}};
  for (const auto& [option, value] : bad)
    expect_refused(generate({"--prompt_ids", "1,2", option + "=" + value}),
                   option == "--isa" ? value : option.substr(2));
}

TEST(CliOptions, DevicesNotInThisBuildAreRefusedByName) {
  for (const std::string device : {"cuda", "ascend"}) {
    const Outcome run = tandem(generate({"--prompt_ids", "1", "--device", device}));
    if (run.exit_code == 0) continue;  // a build that has it, on a machine that has it
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.err, HasSubstr(device));
  }
}

TEST(CliOptions, BadIdsAreRefused) {
  expect_refused(generate({"--prompt_ids", "1,,2"}), "commas");
  expect_refused(generate({"--prompt_ids", "1,x"}), "x");
  expect_refused(generate({"--prompt_ids", ""}), "empty");
  expect_refused(generate({"--prompt_ids", "1,-2"}), "-2");
  expect_refused(generate({"--prompt_ids", "509"}), "509");  // the vocabulary's size
  expect_refused(generate({"--prompt_ids", "99999999999999999999"}), "99999999999999999999");
  expect_refused(generate({"--prompt_ids", "@/no/such/file"}), "/no/such/file");
  expect_refused({"score", "--model_path", model(), "--ids", "1,509"}, "509");
}

TEST(CliOptions, ContradictionsAreRefused) {
  expect_refused(generate({"--prompt_ids", "1", "--prompt", "text"}), "prompt");
  expect_refused({"score", "--model_path", model(), "--ids", "1,2", "--text", "x"}, "text");
  expect_refused({"score", "--model_path", model()}, "ids");
  expect_refused({"score", "--model_path", model(), "--text", "", "--ids", "1,2"}, "exactly one");
}

TEST(CliOptions, BrokenLinesOfAFileAreNamed) {
  const TempFolder temp;
  const std::vector<std::pair<std::string, std::string>> broken = {
      {"{\"prompt_ids\":[1,2]", "line 2"},
      {"[]", "line 2"},
      {"{}", "line 2"},
      {"{\"prompt_ids\":[1],\"prompt\":\"x\"}", "line 2"},
      {"{\"prompt_ids\":[1,\"a\"]}", "line 2"},
      {"{\"prompt_ids\":[100000]}", "line 2: "},
      {"{\"prompt_ids\":[]}", "line 2: "}};
  for (const auto& [line, word] : broken) {
    const std::string file = temp.write("prompts.jsonl", "{\"prompt_ids\":[1]}\n" + line + "\n");
    expect_refused(generate({"--prompts", file, "--max_new_tokens", "1"}), word);
  }
  const std::string scored = temp.write("scored.jsonl", "\n{\"ids\":[1,2]}\n{\"ids\":[100000]}\n");
  expect_refused({"score", "--model_path", model(), "--file", scored}, "line 3: ");
}

TEST(CliOptions, BareMc2MeansOn) {
  for (const std::vector<std::string>& way :
       {std::vector<std::string>{"--use_mc2"}, {"--use_mc2=on"}, {"--use-mc2"}}) {
    std::vector<std::string> args = {"--prompt_ids", "5", "--max_new_tokens", "1"};
    args.insert(args.end(), way.begin(), way.end());
    EXPECT_THAT(tandem(generate(args)).err, HasSubstr("use_mc2 has no effect with one rank"));
  }
  EXPECT_EQ(
      tandem(generate({"--prompt_ids", "5", "--max_new_tokens", "1", "--use_mc2", "off"})).err, "");
}

TEST(CliOptions, OutputThatIsLostIsAnError) {
  const std::string command = "'" + tandem_binary() + "' inspect '" + test_data() +
                              "/golden/models/llama-mha-f32' > /dev/full";
  Program shell("/bin/sh", {"-c", command});
  const Outcome run = shell.wait();
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("tandem: error: standard output"));
}

TEST(CliOptions, AnInterruptWhileReadingIsNoEndOfInput) {
  Program::Options open;
  open.keep_input = true;
  Program program(tandem_binary(), generate({"--prompts", "-"}), open);
  program.run_for(1.5);
  program.signal(SIGTERM);
  const Outcome run = program.wait();
  EXPECT_EQ(run.exit_code, 143) << run.err;
  EXPECT_THAT(run.err, HasSubstr("interrupted"));
}

TEST(CliOptions, DashesAreUnderscores) {
  const auto with_underscore =
      tandem_json(generate({"--prompt_ids", "5,6,7", "--max_new_tokens", "3", "--ignore_eos",
                            "--temperature", "0", "--digest", "--json"}));
  const auto with_dash = tandem_json({"generate", "--model-path", model(), "--threads", "1",
                                      "--prompt-ids", "5,6,7", "--max-new-tokens=3", "--ignore-eos",
                                      "--temperature", "0", "--digest", "--json"});
  ASSERT_EQ(with_underscore.size(), 1U);
  ASSERT_EQ(with_dash.size(), 1U);
  EXPECT_EQ(integers(with_dash[0], "output_ids").size(), 3U);
  EXPECT_EQ(with_dash[0].find("digest")->string(), with_underscore[0].find("digest")->string());
}

TEST(CliOptions, IdsComeFromAFileOrStandardInput) {
  const TempFolder temp;
  const std::string file = temp.write("ids", "5, 6,7\n");
  const Args tail = {"--max_new_tokens", "1", "--json"};
  auto ids = [&](Args first, const std::string& input) {
    first.insert(first.end(), tail.begin(), tail.end());
    Program::Options options;
    options.input = input;
    const Outcome run = tandem(generate(first), options);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return integers(Json::parse(run.out, "stdout"), "prompt_ids");
  };
  const std::vector<int64_t> expected = {5, 6, 7};
  EXPECT_EQ(ids({"--prompt_ids", "@" + file}, ""), expected);
  EXPECT_EQ(ids({"--prompt_ids", "-"}, "5,6,7\n"), expected);
}

TEST(CliOptions, JsonIsAllThatIsOnStandardOutput) {
  const auto results = tandem_json(generate({"--prompt_ids", "5,6,7", "--world_size", "2",
                                             "--max_new_tokens", "4", "--ignore_eos", "--json"}));
  ASSERT_EQ(results.size(), 1U);
  for (const char* key :
       {"prompt_ids", "output_ids", "finish_reason", "logprobs", "cached_prompt_tokens",
        "world_size", "device", "isa", "dtype", "timing", "peak_rss_bytes", "weight_bytes", "macs"})
    EXPECT_NE(results[0].find(key), nullptr) << key;
  for (const char* key : {"peak_rss_bytes", "weight_bytes", "macs"})
    EXPECT_EQ(integers(results[0], key).size(), 2U) << key;
  for (const char* key : {"load_s", "prefill_s", "decode_s", "prefill_tok_s", "decode_tok_s"})
    EXPECT_GE(results[0].find("timing")->find(key)->number(), 0) << key;
}

TEST(CliOptions, EveryCommandHasHelpWithDefaults) {
  const Outcome top = tandem({"--help"});
  EXPECT_EQ(top.exit_code, 0);
  for (const char* name : {"generate", "score", "sample", "inspect", "bench"}) {
    SCOPED_TRACE(name);
    EXPECT_THAT(top.out, HasSubstr(name));
    const Outcome help = tandem({name, "--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_EQ(help.err, "");
    EXPECT_GT(help.out.size(), 100U);
  }
}

/// The line of `--help` that describes an option.
std::string help_line(const std::string& help, const std::string& option) {
  const auto at = help.find("--" + option);
  if (at == std::string::npos) return "";
  const auto next = help.find("\n  -", at);
  return help.substr(at, next == std::string::npos ? next : next - at);
}

TEST(CliOptions, HelpShowsWhatAnOptionIsWhenNotGiven) {
  const std::string help = tandem({"generate", "--help"}).out;
  const std::vector<std::pair<std::string, std::string>> defaults = {{"world_size", "=1 "},
                                                                     {"threads", "="},
                                                                     {"device", "=cpu"},
                                                                     {"isa", "=auto"},
                                                                     {"dtype", "=auto"},
                                                                     {"max_new_tokens", "="},
                                                                     {"max_batch", "="},
                                                                     {"prefill_chunk", "="},
                                                                     {"rank_timeout", "=30"},
                                                                     {"seed", "="},
                                                                     {"use_mc2", ""},
                                                                     {"temperature", ""},
                                                                     {"top_k", ""},
                                                                     {"top_p", ""},
                                                                     {"min_p", ""},
                                                                     {"repetition_penalty", ""},
                                                                     {"presence_penalty", ""},
                                                                     {"frequency_penalty", ""},
                                                                     {"stop", ""},
                                                                     {"ignore_eos", ""},
                                                                     {"max_seq_len", ""},
                                                                     {"verify", ""},
                                                                     {"json", ""},
                                                                     {"digest", ""},
                                                                     {"logits", ""}};
  for (const auto& [option, text] : defaults) {
    const std::string line = help_line(help, option);
    EXPECT_NE(line, "") << option << " is not in --help";
    EXPECT_THAT(line, HasSubstr(text)) << option;
  }
}

TEST(CliOptions, FoldersThatAreNoneAreNamed) {
  expect_refused({"generate", "--model_path", "/no/such/folder", "--prompt_ids", "1"},
                 "/no/such/folder");
  const TempFolder empty;
  expect_refused({"generate", "--model_path", empty.path(), "--prompt_ids", "1"}, "config.json");
  expect_refused({"inspect", empty.path()}, "config.json");
}

}  // namespace
}  // namespace tandem::test
