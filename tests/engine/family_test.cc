// Families that a program registers: the decoder block written once more over the public layers has
// the bits of the built-in one at every world size, and what does not fit is refused by name.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/temp_folder.h"
#include "tandem/engine.h"
#include "tandem/layers.h"

namespace tandem::test {
namespace {

using layers::Tensor;
using enum WeightRole;

std::string name_of(const layers::Context& c, WeightRole role) { return c.spec().rule(role)->name; }

layers::QKVColumnParallelLinear qkv_of(layers::Context& c) {
  if (c.spec().has(kFusedQkv)) return {c, name_of(c, kFusedQkv)};
  return {c, name_of(c, kQuery), name_of(c, kKey), name_of(c, kValue)};
}

layers::Attention attention_of(layers::Context& c) {
  if (!c.spec().has(kQueryNorm)) return layers::Attention(c);
  return {c, name_of(c, kQueryNorm), name_of(c, kKeyNorm)};
}

/// gate, up and down lose their roles when the family gathers and scatters: found by their place.
std::string mlp_name(const layers::Context& c, WeightRole role) {
  if (c.spec().has(role)) return name_of(c, role);
  int skip = role == kGate ? 0 : role == kUp ? 1 : 2;
  for (const WeightRule& rule : c.spec().weights) {
    if (rule.role == kOther && skip-- == 0) return rule.name;
  }
  return "";
}

class LlamaBlock final : public layers::Block {
 public:
  explicit LlamaBlock(layers::Context& c)
      : attention_norm_(c, name_of(c, kAttentionNorm)),
        qkv_(qkv_of(c)),
        attention_(attention_of(c)),
        out_(c, name_of(c, kAttentionOut)),
        mlp_norm_(c, name_of(c, kMlpNorm)),
        gate_(c, mlp_name(c, kGate)),
        up_(c, mlp_name(c, kUp)),
        down_(c, mlp_name(c, kDown)) {}

  Tensor forward(const Tensor& residual) override {
    const Tensor x = add(residual, out_(attention_(qkv_(attention_norm_(residual)))));
    const Tensor n = mlp_norm_(x);
    return add(x, down_(mul(silu(gate_(n)), up_(n))));
  }

 private:
  layers::RmsNorm attention_norm_;
  layers::QKVColumnParallelLinear qkv_;
  layers::Attention attention_;
  layers::RowParallelLinear out_;
  layers::RmsNorm mlp_norm_;
  layers::ColumnParallelLinear gate_, up_;
  layers::RowParallelLinear down_;
};

enum class Mlp { kSplit, kGathered };

/// The family of `architecture`, under the name "My" + architecture, with the block above.
Families with_my(const std::string& architecture, Mlp mlp) {
  const Families built_in;
  Families families;
  for (const Family& known : built_in.list()) {
    if (known.architecture != architecture) continue;
    families.register_family({"My" + architecture, known.model_type,
                              [read = known.read, mlp](const ModelConfig& config) {
                                ModelSpec spec = read(config);
                                spec.block = [](layers::Context& c) {
                                  return std::make_unique<LlamaBlock>(c);
                                };
                                if (mlp == Mlp::kSplit) return spec;
                                for (WeightRule& rule : spec.weights) {
                                  const bool down = rule.role == kDown;
                                  if (!down && rule.role != kGate && rule.role != kUp) continue;
                                  rule.role = kOther;
                                  rule.out = down ? Dim::kHidden : Dim::kFeedForward;
                                  rule.in = down ? Dim::kFeedForward : Dim::kHidden;
                                  rule.gather_output = !down;
                                  rule.scatter_input = down;
                                }
                                return spec;
                              }});
  }
  return families;
}

std::string golden(const std::string& model) {
  return std::string(TANDEM_TEST_DATA) + "/golden/models/" + model;
}

/// The checkpoint with its architecture renamed: config.json rewritten, the rest linked.
void rename_architecture(const std::string& model, const std::string& architecture,
                         const TempFolder& to) {
  for (const auto& entry : std::filesystem::directory_iterator(golden(model))) {
    const std::string name = entry.path().filename();
    if (name != "config.json") std::filesystem::create_symlink(entry.path(), to.file(name));
  }
  std::ostringstream text;
  text << std::ifstream(golden(model) + "/config.json").rdbuf();
  std::string config = text.str();
  const size_t at = config.find(architecture);
  ASSERT_NE(at, std::string::npos);
  to.write("config.json", config.replace(at, architecture.size(), "My" + architecture));
}

struct Setting {
  std::string path;
  Families families;
  int world_size = 1;
  std::string dtype = "auto";
};

uint64_t digest_of(const Setting& s) {
  EngineOptions options;
  options.model_path = s.path;
  options.world_size = s.world_size;
  options.threads = 1;
  options.dtype = s.dtype;
  options.prefill_chunk = 7;
  options.verify = true;  // the residual after each layer is equal on all ranks
  options.use_mc2 = s.world_size == 3 ? "on" : "off";
  options.ranks_are_threads = true;
  options.families = s.families;
  const auto engine = Engine::load(options);
  Request request;
  for (int32_t i = 0; i < 20; ++i) request.prompt_ids.push_back(i * 7 % 50);
  request.score = request.digest = true;
  const RequestResult result = engine->run(request);
  EXPECT_TRUE(result.status.ok) << result.status.message;
  return result.digest;
}

struct Parameter {
  const char* model;
  const char* architecture;
};

void PrintTo(const Parameter& p, std::ostream* out) { *out << p.model; }

class FamilyBlock : public testing::TestWithParam<Parameter> {};

TEST_P(FamilyBlock, HasTheBitsOfTheBuiltInBlock) {
  const auto [model, architecture] = GetParam();
  const TempFolder mine;
  rename_architecture(model, architecture, mine);
  for (const char* dtype : {"auto", "float32"}) {
    const uint64_t expected = digest_of({golden(model), {}, 1, dtype});
    for (const int world_size : {1, 2, 3, 5}) {
      for (const Mlp mlp : {Mlp::kSplit, Mlp::kGathered}) {
        EXPECT_EQ(digest_of({mine.path(), with_my(architecture, mlp), world_size, dtype}), expected)
            << world_size << " ranks, " << dtype << (mlp == Mlp::kSplit ? "" : ", gathered");
      }
    }
  }
}

std::string parameter_name(const testing::TestParamInfo<Parameter>& info) {
  std::string name = info.param.model;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Models, FamilyBlock,
                         testing::Values(Parameter{"llama-gqa-bf16", "LlamaForCausalLM"},
                                         Parameter{"llama-bias-f32", "LlamaForCausalLM"},
                                         Parameter{"qwen-mha-bf16", "QWenLMHeadModel"},
                                         Parameter{"qwen3-gqa-bf16", "Qwen3ForCausalLM"}),
                         parameter_name);

/// What loading says about llama-gqa-bf16 under a family that `change` has altered.
std::string refusal(const std::function<void(ModelSpec&)>& change) {
  const TempFolder mine;
  rename_architecture("llama-gqa-bf16", "LlamaForCausalLM", mine);
  Families families;
  families.register_family({"MyLlamaForCausalLM", "llama", [&](const ModelConfig& config) {
                              ModelSpec spec = llama_like_spec(config, "mine");
                              spec.block = [](layers::Context& c) {
                                return std::make_unique<LlamaBlock>(c);
                              };
                              change(spec);
                              return spec;
                            }});
  try {
    digest_of({mine.path(), families, 2, "auto"});
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadInput);
    return error.what();
  }
  return "";
}

TEST(FamilyRefusals, NameWhatDoesNotFit) {
  EXPECT_EQ(refusal([](ModelSpec&) {}), "");
  const auto other = [](ModelSpec& spec, WeightRole role, Dim out, Dim in) {
    for (WeightRule& rule : spec.weights) {
      if (rule.role == role) rule.role = kOther, rule.out = out, rule.in = in;
    }
  };
  EXPECT_NE(refusal([&](ModelSpec& s) {
              other(s, kDown, Dim::kQueryHeads, Dim::kFeedForward);
            }).find("mlp.down_proj is split by outputs (query heads) and by inputs"),
            std::string::npos);
  EXPECT_NE(refusal([](ModelSpec& s) { s.kv_heads = 4; }).find("kv_heads is 4; it must divide"),
            std::string::npos);
  EXPECT_NE(refusal([](ModelSpec& s) { s.window.resize(1); }).find("1 windows for"),
            std::string::npos);
  EXPECT_NE(refusal([](ModelSpec& s) {
              s.block = [](layers::Context& c) -> std::unique_ptr<layers::Block> {
                layers::RmsNorm norm(c, "model.layers.{}.no_such_norm");
                return nullptr;
              };
            }).find("\"model.layers.{}.no_such_norm\", which is not in the spec's list"),
            std::string::npos);
  EXPECT_NE(refusal([](ModelSpec& s) {
              s.block = [](layers::Context& c) -> std::unique_ptr<layers::Block> {
                layers::RowParallelLinear wrong(c, name_of(c, kGate));
                return nullptr;
              };
            }).find("RowParallelLinear is not the layer for it"),
            std::string::npos);
}

TEST(FamilyRefusals, ABlockThatForgetsAWeight) {
  class Lazy final : public layers::Block {
   public:
    Tensor forward(const Tensor& residual) override { return residual; }
  };
  EXPECT_NE(refusal([](ModelSpec& s) {
              s.block = [](layers::Context&) { return std::make_unique<Lazy>(); };
            }).find("input_layernorm is in the spec's list, and the block does not use it"),
            std::string::npos);
}

TEST(Families, AnArchitectureIsRegisteredOnceAndNamedWhenAnotherIsAsked) {
  Families families;
  EXPECT_THROW(families.register_family(families.list().front()), Error);
  EXPECT_THROW(families.register_family({"Mine", "mine", {}}), Error);
  families.register_family(
      {"MineForCausalLM", "mine", [](const ModelConfig&) { return ModelSpec{}; }});
  const TempFolder folder;
  rename_architecture("llama-gqa-bf16", "LlamaForCausalLM", folder);
  try {
    digest_of({folder.path(), families});
    FAIL() << "no refusal";
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find("\"MyLlamaForCausalLM\""), std::string::npos) << what;
    EXPECT_NE(what.find("MineForCausalLM"), std::string::npos) << what;
  }
}

}  // namespace
}  // namespace tandem::test
