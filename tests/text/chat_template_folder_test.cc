// Which template of a folder is used, the variables it sees, and what errors say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tandem/error.h"
#include "tandem/text.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

class ChatTemplateFolder : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(testing::TempDir()) / ("tandem_template_" + std::string(info->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  std::string render(const std::string& tools = "") const {
    const auto chat = ChatTemplate::load(folder_.string());
    if (chat == nullptr) return "none";
    ChatTemplate::Input input;
    input.messages_json = R"([{"role": "user", "content": "hi"}])";
    input.tools_json = tools;
    return chat->render(input);
  }
  std::string error() const {
    try {
      return "no error: " + render();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadInput);
      return error.what();
    }
  }

 private:
  fs::path folder_;
};

TEST_F(ChatTemplateFolder, NoneInAnEmptyFolderOrWithoutTheKey) {
  EXPECT_EQ(render(), "none");
  write("tokenizer_config.json", R"({"bos_token": "<s>", "chat_template": null})");
  EXPECT_EQ(render(), "none");
}

TEST_F(ChatTemplateFolder, StringWithSpecialTokens) {
  write("tokenizer_config.json",
        R"({"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false},
            "pad_token": null,
            "chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token }}"})");
  EXPECT_EQ(render(), "<s>hi</s>");
}

TEST_F(ChatTemplateFolder, FileComesFirst) {
  write("tokenizer_config.json", R"({"bos_token": "<s>", "chat_template": "config"})");
  write("chat_template.jinja", "{{ bos_token }}file\n");
  EXPECT_EQ(render(), "<s>file");
  write("additional_chat_templates/tool_use.jinja", "{{ tools | length }} tools");
  EXPECT_EQ(render(), "<s>file");
  EXPECT_EQ(render("[{}, {}]"), "2 tools");
}

TEST_F(ChatTemplateFolder, NamedList) {
  write("tokenizer_config.json", R"({"chat_template": [
      {"name": "tool_use", "template": "with tools"},
      {"name": "rag", "template": "never"},
      {"name": "default", "template": "plain"}]})");
  EXPECT_EQ(render(), "plain");
  EXPECT_EQ(render("[{}]"), "with tools");
}

TEST_F(ChatTemplateFolder, ErrorsNameTheFileAndTheLine) {
  write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_THAT(error(), testing::AllOf(testing::HasSubstr("tokenizer_config.json: chat_template"),
                                      testing::HasSubstr("an integer")));
  write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": ""}]})");
  EXPECT_THAT(error(), testing::HasSubstr("\"default\""));
  write("chat_template.jinja", "a\nb\n{{ 'x' | nosuch }}\n");
  EXPECT_THAT(error(), testing::AllOf(testing::HasSubstr("chat_template.jinja: line 3: "),
                                      testing::HasSubstr("unknown filter 'nosuch'")));
  write("chat_template.jinja", "{% if true %}\n\n{{ x is nosuch }}{% endif %}");
  EXPECT_THAT(error(), testing::HasSubstr("line 3: unknown test 'nosuch'"));
  write("chat_template.jinja", "a\n{% include 'b' %}");
  EXPECT_THAT(error(), testing::HasSubstr("line 2: unknown tag 'include'"));
  write("chat_template.jinja", "{{ nosuch() }}");
  EXPECT_THAT(error(), testing::HasSubstr("line 1: 'nosuch' is undefined"));
  write("chat_template.jinja", "{{ raise_exception('Only two roles') }}");
  EXPECT_EQ(error(), "Only two roles");
  write("chat_template.jinja", "a\xff");
  EXPECT_THAT(error(), testing::HasSubstr("not UTF-8"));
  write("chat_template.jinja", std::string((1 << 20) + 1, 'a'));
  EXPECT_THAT(error(), testing::HasSubstr("larger than"));
}

TEST(ChatTemplateInput, WhatIsNoConversationIsRefused) {
  const auto chat = ChatTemplate::parse("{{ messages | length }}{{ x }}", "t");
  ChatTemplate::Input input;
  const auto error = [&] {
    try {
      return "no error: " + chat->render(input);
    } catch (const Error& refused) {
      return std::string(refused.what());
    }
  };
  input.messages_json = "{}";
  EXPECT_THAT(error(), testing::HasSubstr("an object where an array of messages"));
  input.messages_json = "[1]";
  EXPECT_THAT(error(), testing::HasSubstr("an integer among the messages"));
  input.messages_json = "[{]";
  EXPECT_THAT(error(), testing::HasSubstr("messages: not valid JSON"));
  input.messages_json = "[]";
  input.variables_json = R"({"messages": []})";
  EXPECT_THAT(error(), testing::HasSubstr("'messages' is given by its own option"));
  input.variables_json = R"({"x": 123456789012345678901234567890})";
  EXPECT_EQ(chat->render(input), "0123456789012345678901234567890");
  input.tools_json = "5";
  EXPECT_THAT(error(), testing::HasSubstr("tools: an integer where an array"));
}

TEST(ChatTemplateInput, NowMustBeADate) {
  const auto chat = ChatTemplate::parse("{{ strftime_now('%Y') }}", "t");
  ChatTemplate::Input input;
  input.messages_json = "[]";
  input.now = "2024-02-30T00:00:00";
  EXPECT_THROW(chat->render(input), Error);
  input.now = "yesterday";
  EXPECT_THROW(chat->render(input), Error);
  input.now = "2024-02-29T23:59:59";
  EXPECT_EQ(chat->render(input), "2024");
  input.now = "";
  EXPECT_GE(std::stoi(chat->render(input)), 2024);
}

}  // namespace
}  // namespace tandem
