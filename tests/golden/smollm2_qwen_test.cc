// SmolLM2 rewritten as a Qwen v1 checkpoint (tools/make_qwen_from_llama.py) against
// tests/data/golden/smollm2_qwen.json: the same function in another skeleton, so the same text.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/golden.h"
#include "support/tandem_json.h"

namespace tandem::test {
namespace {

std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const size_t at = text.find(begin);
  if (at == std::string::npos) return "";
  const size_t from = at + begin.size();
  return text.substr(from, text.find(end, from) - from);
}

TEST(SmolLm2AsQwen, AnswersAsTheReferenceAtEveryWorldSize) {
  const std::string llama = smollm2_folder();
  if (!std::filesystem::exists(llama + "/model.safetensors"))
    GTEST_SKIP() << "no SmolLM2 here: run ./demo.sh once, or set TANDEM_SMOLLM2 to its folder";
  const TempFolder temp;
  const std::string qwen = temp.file("qwen");
  const Outcome made =
      run_program("/usr/bin/env",
                  {"python3", test_data() + "/../../tools/make_qwen_from_llama.py", llama, qwen});
  ASSERT_EQ(made.exit_code, 0) << made.err;

  const Json reference = Json::parse_file(test_data() + "/golden/smollm2_qwen.json");
  const Json llama_reference = Json::parse_file(test_data() + "/golden/smollm2.json");
  const Json::Array& cases = reference.find("cases")->array();
  const Json::Array& prompts = llama_reference.find("cases")->array();
  ASSERT_EQ(cases.size(), prompts.size());
  std::string lines;
  for (size_t i = 0; i < cases.size(); ++i) {
    const std::string text = prompts[i].find("prompt_text")->string();
    const Json messages = Json::Array{
        Json::Object{{"role", "system"},
                     {"content", between(text, "<|im_start|>system\n", "<|im_end|>")}},
        Json::Object{{"role", "user"}, {"content", cases[i].find("question")->string()}}};
    lines += Json(Json::Object{{"messages", messages}}).dump() + "\n";
  }
  const std::string file = temp.write("prompts.jsonl", lines);
  for (const std::string world_size : {"1", "2", "3", "4", "9"}) {
    SCOPED_TRACE("world size " + world_size);
    const auto results = tandem_json({"generate", "--model_path", qwen, "--prompts", file,
                                      "--world_size", world_size, "--dtype", "float32",
                                      "--temperature", "0", "--max_new_tokens", "48", "--json"});
    ASSERT_EQ(results.size(), cases.size());
    for (size_t i = 0; i < cases.size(); ++i) {
      SCOPED_TRACE(cases[i].find("question")->string());
      EXPECT_EQ(integers(results[i], "prompt_ids"), integers(cases[i], "prompt_ids"));
      EXPECT_EQ(integers(results[i], "output_ids"), integers(cases[i], "output_ids"));
      EXPECT_EQ(results[i].find("text")->string(), cases[i].find("text")->string());
    }
  }
}

}  // namespace
}  // namespace tandem::test
