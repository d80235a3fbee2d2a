// References made by transformers' own renderer: every case gives its text, or an error where the
// reference has one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "json/json.h"
#include "tandem/error.h"
#include "tandem/text.h"

namespace tandem {
namespace {

std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string dump_or_empty(const Json& value, std::string_view key) {
  const Json* found = value.find(key);
  return found == nullptr ? "" : found->dump();
}

struct Outcome {
  std::string text;
  bool failed = false;
};

Outcome render(const Json& test, const std::string& folder, bool drop_null_keys) {
  ChatTemplate::Input input;
  input.messages_json = test.find("messages")->dump();
  input.tools_json = dump_or_empty(test, "tools");
  input.documents_json = dump_or_empty(test, "documents");
  input.variables_json = dump_or_empty(test, "kwargs");
  input.add_generation_prompt = test.find("add_generation_prompt")->boolean();
  input.now = test.find("now")->string();
  input.drop_null_keys = drop_null_keys;
  const Json* inline_text = test.find("template_text");
  const std::string source =
      inline_text != nullptr
          ? inline_text->string()
          : read_bytes(folder + "/templates/" + test.find("template")->string() + ".jinja");
  try {
    return {ChatTemplate::parse(source, "template")->render(input), false};
  } catch (const Error& error) {
    return {error.what(), true};
  }
}

void expect_outcome(const Json& expected, const Outcome& outcome, const std::string& id) {
  if (const Json* text = expected.find("rendered")) {
    EXPECT_FALSE(outcome.failed) << id << ": " << outcome.text;
    if (!outcome.failed) {
      EXPECT_EQ(outcome.text, text->string()) << id;
    }
    return;
  }
  EXPECT_TRUE(outcome.failed) << id << " gave: " << outcome.text;
  const Json& error = *expected.find("error");
  if (error.find("raised_by_template")->boolean()) {
    EXPECT_EQ(outcome.text, error.find("message")->string()) << id;
  } else {
    EXPECT_THAT(outcome.text, testing::HasSubstr("template: line ")) << id;
  }
}

void check_cases(const std::string& folder, size_t at_least) {
  const Json cases = Json::parse_file(folder + "/cases.json");
  ASSERT_GE(cases.array().size(), at_least);
  for (const Json& test : cases.array()) {
    const std::string& id = test.find("id")->string();
    expect_outcome(test, render(test, folder, false), id);
    const Json* dropped = test.find("none_dropped");
    expect_outcome(dropped != nullptr ? *dropped : test, render(test, folder, true),
                   id + " (null keys dropped)");
  }
}

TEST(ChatTemplateCases, WrittenForTheseTests) {
  check_cases(std::string(TANDEM_TEST_DATA) + "/chat_templates", 330);
}

TEST(ChatTemplateCases, RealModels) {
  const std::string folder = std::string(TANDEM_SHARED_DATA) + "/tokenizers/chat_templates";
  if (!std::filesystem::exists(folder)) {
    GTEST_SKIP() << folder << " is absent: real models' templates are not part of this project";
  }
  check_cases(folder, 424);
}

}  // namespace
}  // namespace tandem
