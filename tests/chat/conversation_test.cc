// The prompt of a turn goes on from what the engine has cached, wherever the text allows it.
#include "cli/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tandem/error.h"

namespace tandem::cli {
namespace {

/// One id per byte; id 256 spells "ab", id 257 "<E>", 300 no token. The encoder never uses 256, as
/// an answer may.
class PairTokenizer : public Tokenizer {
 public:
  class Stream : public Detokenizer {
   public:
    std::string push(int32_t id) override { return spelled(id); }
    std::string finish() override { return ""; }
  };
  static std::string spelled(int32_t id) {
    if (id == 256) return "ab";
    if (id == 257) return "<E>";
    if (id == 300) return "";
    return std::string(1, static_cast<char>(id));
  }
  std::vector<int32_t> encode(std::string_view text, const EncodeOptions&) const override {
    std::vector<int32_t> ids;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text.substr(i, 3) == "<E>") {
        ids.push_back(257);
        i += 2;
      } else {
        ids.push_back(static_cast<unsigned char>(text[i]));
      }
    }
    return ids;
  }
  std::string decode(const std::vector<int32_t>& ids, bool) const override {
    std::string text;
    for (const int32_t id : ids) {
      if (id == 300) throw Error(ErrorCode::kBadInput, "no such token");
      text += spelled(id);
    }
    return text;
  }
  std::unique_ptr<Detokenizer> detokenizer(bool) const override {
    return std::make_unique<Stream>();
  }
  int64_t vocab_size() const override { return 258; }
  std::optional<int32_t> token_to_id(std::string_view) const override { return std::nullopt; }
  bool is_special(int32_t id) const override { return id == 257; }
  std::string description() const override { return "pairs"; }
};

/// role[0]:content<E>... and "a:" for the answer. Refuses the question "no".
class ShortPrompter : public ChatPrompter {
 public:
  Prompt prompt(const std::string& messages_json, const Tokenizer& tokenizer) const override {
    std::string text;
    const Json messages = Json::parse(messages_json, "messages");
    for (const Json& message : messages.array()) {
      const std::string& content = message.find("content")->string();
      if (content == "no") throw Error(ErrorCode::kBadInput, "refused");
      text += message.find("role")->string().substr(0, 1) + ":" + content + "<E>";
    }
    return {tokenizer.encode(text + "a:", {}), 0};
  }
  std::vector<int32_t> end_ids(const Tokenizer&) const override { return {257}; }
};

class ConversationTest : public testing::Test {
 protected:
  std::string text(const std::vector<int32_t>& ids) const { return tokenizer_.decode(ids, false); }

  PairTokenizer tokenizer_;
  ShortPrompter prompter_;
};

TEST_F(ConversationTest, NextPromptExtendsTheCachedIds) {
  Conversation talk(prompter_, tokenizer_, 1000);
  std::vector<int32_t> cached = talk.ask("q").ids;
  EXPECT_EQ(text(cached), "u:q<E>a:");
  talk.answer({256, 'c'}, "abc");  // not the ids that "abc" is encoded to
  cached.insert(cached.end(), {256, 'c'});
  for (int turn = 0; turn < 2; ++turn) {
    const auto next = talk.ask("r").ids;
    ASSERT_GT(next.size(), cached.size());
    EXPECT_TRUE(std::equal(cached.begin(), cached.end(), next.begin()));
    EXPECT_THAT(text(next), testing::EndsWith("a:abc<E>u:r<E>a:"));
    talk.answer({256, 'c'}, "abc");
    cached = next;
    cached.insert(cached.end(), {256, 'c'});
  }
}

/// As a vocabulary of words with their spaces: the answer's text begins without the space.
TEST_F(ConversationTest, ASpaceDroppedFromTheAnswerComesBack) {
  Conversation talk(prompter_, tokenizer_, 1000);
  std::vector<int32_t> cached = talk.ask("q").ids;
  talk.answer({' ', 'x'}, "x");
  cached.insert(cached.end(), {' ', 'x'});
  EXPECT_EQ(text(cached), "u:q<E>a: x");
  const auto next = talk.ask("r").ids;
  EXPECT_EQ(text(next), "u:q<E>a: x<E>u:r<E>a:");
  talk.answer({'y'}, "y");
  EXPECT_EQ(text(talk.ask("s").ids), "u:q<E>a: x<E>u:r<E>a:y<E>u:s<E>a:");
}

TEST_F(ConversationTest, AnAnswerMayHoldIdsWithoutAToken) {
  Conversation talk(prompter_, tokenizer_, 1000);
  std::vector<int32_t> cached = talk.ask("q").ids;
  talk.answer({'x', 300, 'y'}, "xy");
  cached.insert(cached.end(), {'x', 300, 'y'});
  const auto next = talk.ask("r").ids;
  ASSERT_GT(next.size(), cached.size());
  EXPECT_TRUE(std::equal(cached.begin(), cached.end(), next.begin()));
}

TEST_F(ConversationTest, AnotherSpellingIsEncodedAnew) {
  const auto rendered = tokenizer_.encode("u:q<E>a:trimmed<E>", {});
  EXPECT_EQ(continue_ids(tokenizer_, tokenizer_.encode("u:q<E>a: trimmed", {}), rendered),
            rendered);
  EXPECT_EQ(continue_ids(tokenizer_, {}, rendered), rendered);
  // The cached text ends inside of an id of the rendered text.
  EXPECT_EQ(continue_ids(tokenizer_, {'x'}, {'x', 256}), (std::vector<int32_t>{'x', 256}));
  EXPECT_EQ(continue_ids(tokenizer_, {'x', 'a'}, {'x', 256}), (std::vector<int32_t>{'x', 256}));
}

TEST_F(ConversationTest, OldestTurnsAreDroppedAndCounted) {
  Conversation talk(prompter_, tokenizer_, 26);
  for (const char* question : {"1", "2", "3"}) {
    EXPECT_EQ(talk.ask(question).dropped_turns, 0);
    talk.answer({'x'}, "x");
  }
  const auto prompt = talk.ask("4");  // 3 turns of 8 ids, a question of 4, "a:"
  EXPECT_EQ(prompt.dropped_turns, 1);
  EXPECT_EQ(text(prompt.ids), "u:2<E>a:x<E>u:3<E>a:x<E>u:4<E>a:");
}

TEST_F(ConversationTest, ARefusedQuestionChangesNothing) {
  Conversation talk(prompter_, tokenizer_, 20);
  talk.ask("1");
  talk.answer({'x'}, "x");
  EXPECT_THROW(talk.ask("no"), Error);
  EXPECT_THROW(talk.ask(std::string(30, 'z')), Error);
  EXPECT_EQ(talk.turns(), 1);
  EXPECT_EQ(text(talk.ask("2").ids), "u:1<E>a:x<E>u:2<E>a:");
}

TEST_F(ConversationTest, SystemMessageAndReset) {
  Conversation talk(prompter_, tokenizer_, 1000);
  talk.set_system("s");
  EXPECT_EQ(text(talk.ask("1").ids), "s:s<E>u:1<E>a:");
  talk.answer({'x'}, "x");
  talk.reset();
  EXPECT_EQ(text(talk.ask("2").ids), "s:s<E>u:2<E>a:");
  talk.forget_question();
  talk.set_system("");
  EXPECT_EQ(text(talk.ask("3").ids), "u:3<E>a:");
}

}  // namespace
}  // namespace tandem::cli
