// config.json -> ModelSpec, where the references of tests/golden do not reach: keys spelled in
// other ways, kinds of layers, what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/families.h"
#include "tandem/error.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ModelSpec spec_of(const std::string& text) {
  return read_model_spec(Json::parse(text, "config.json"), "config.json");
}

std::string refusal(const std::string& text) {
  try {
    spec_of(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

/// A Qwen2 config of three layers with more keys at its end.
std::string qwen2(const std::string& more) {
  return R"({"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 64,
             "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
             "intermediate_size": 96, "vocab_size": 100, "rope_theta": 10000.0)" +
         more + "}";
}

TEST(WindowOfLayers, FollowsTheSwitchThenTheListThenTheFirstLayer) {
  const std::string window = R"(, "sliding_window": 16, "max_window_layers": 1)";
  const std::string on = R"(, "use_sliding_window": true)";
  EXPECT_THAT(spec_of(qwen2(window)).window, ElementsAre(0, 0, 0));
  EXPECT_THAT(spec_of(qwen2(window + on)).window, ElementsAre(0, 16, 16));
  const std::string types =
      R"(, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"])";
  EXPECT_THAT(spec_of(qwen2(window + on + types)).window, ElementsAre(16, 0, 16));
  EXPECT_THAT(spec_of(qwen2(window + types)).window, ElementsAre(0, 0, 0));
  EXPECT_THAT(refusal(qwen2(on + R"(, "layer_types": ["full_attention"])")),
              HasSubstr("layer_types has 1 entries"));
  EXPECT_THAT(refusal(qwen2(on + R"(, "layer_types": ["full_attention", "linear_attention", 1])")),
              HasSubstr("layer 1 is \"linear_attention\""));
}

TEST(KeysThatAreNotThere, MeanWhatTransformersTakes) {
  const std::string sizes = R"("hidden_size": 256, "num_hidden_layers": 2, "intermediate_size": 96,
                               "vocab_size": 100, "num_attention_heads": 16)";
  const std::string mistral = R"({"architectures": ["MistralForCausalLM"], )" + sizes;
  EXPECT_EQ(spec_of(mistral + "}").kv_heads, 8);
  EXPECT_EQ(spec_of(mistral + "}").max_positions, 131072);
  EXPECT_THAT(spec_of(mistral + "}").window, ElementsAre(4096, 4096));
  EXPECT_THAT(spec_of(mistral + R"(, "sliding_window": null})").window, ElementsAre(0, 0));
  const ModelSpec qwen3 = spec_of(R"({"architectures": ["Qwen3ForCausalLM"], )" + sizes + "}");
  EXPECT_EQ(qwen3.head_dim, 128);
  EXPECT_EQ(qwen3.kv_heads, 16);
  EXPECT_EQ(qwen3.max_positions, 32768);
  const ModelSpec llama = spec_of(R"({"architectures": ["LlamaForCausalLM"], )" + sizes + "}");
  EXPECT_EQ(llama.head_dim, 16);
  EXPECT_EQ(llama.max_positions, 2048);
}

TEST(QwenConfig, EarlySpellingsMeanTheSame) {
  const std::string head = R"({"architectures": ["QWenLMHeadModel"], "model_type": "qwen", )";
  const ModelSpec now =
      spec_of(head + R"("hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2,
                "intermediate_size": 256, "vocab_size": 512, "seq_length": 128})");
  const ModelSpec early =
      spec_of(head + R"("n_embd": 64, "n_head": 4, "n_layer": 2, "ffn_hidden_size": 256,
                "vocab_size": 500, "padded_vocab_size": 512, "seq_length": 128})");
  for (const ModelSpec& spec : {now, early}) {
    EXPECT_EQ(spec.hidden, 64);
    EXPECT_EQ(spec.q_heads, 4);
    EXPECT_EQ(spec.kv_heads, 4);
    EXPECT_EQ(spec.layers, 2);
    EXPECT_EQ(spec.ff, 128) << "intermediate_size is twice the width";
    EXPECT_EQ(spec.vocab, 512);
  }
}

TEST(Architectures, UnknownOnesNameThemselvesAndTheKnown) {
  for (const std::string name : {"GemmaForCausalLM", "GPTNeoXForCausalLM", "MixtralForCausalLM"}) {
    const std::string message = refusal(R"({"architectures": [")" + name + "\"]}");
    EXPECT_THAT(message, HasSubstr(name));
    for (const std::string& known : architectures_of({})) EXPECT_THAT(message, HasSubstr(known));
  }
}

}  // namespace
}  // namespace tandem
