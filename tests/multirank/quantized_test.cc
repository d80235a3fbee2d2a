// Quantized weights on the reference models: one digest over world sizes, instruction sets,
// threads, chunks and batches, whether they are quantized while loading or come from a folder that
// quantize_folder() wrote.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "json/json.h"
#include "support/digests.h"
#include "support/temp_folder.h"
#include "tandem/convert.h"
#include "tandem/inspect.h"

namespace tandem::test {
namespace {

using testing::HasSubstr;

class QuantizedModel : public testing::TestWithParam<std::string> {};

TEST_P(QuantizedModel, HasOneDigestFromEitherSource) {
  const GoldenModel model = read_golden(GetParam());
  const auto prompts = prompts_of(model);
  const std::vector<std::string> isas = available_isas();
  const TempFolder temp;
  for (const std::string format : {"int8", "int4", "int4_symmetric"}) {
    const std::string stored = temp.file(format);
    quantize_folder({model.folder, stored, format, {}});
    std::vector<uint64_t> expected;
    size_t turn = 0;
    for (int world_size : {1, 2, 3, 4, static_cast<int>(model.query_heads) + 1}) {
      for (const bool from_folder : {false, true}) {
        SCOPED_TRACE(format + (from_folder ? " folder" : " while loading") + ", world size " +
                     std::to_string(world_size));
        EngineOptions options = options_for(from_folder ? stored : model.folder, world_size);
        if (!from_folder) options.quantize = format;
        // The other settings in turn: each meets several world sizes.
        options.isa = isas[turn % isas.size()];
        options.threads = 1 + static_cast<int>(turn % 3);
        options.prefill_chunk = std::vector<int64_t>{0, 1, 7, 64}[turn % 4];
        options.max_batch = turn % 2 == 0 ? 8 : 1;
        ++turn;
        auto engine = Engine::load(options);
        EXPECT_EQ(engine->info().quantize, format);
        const auto found = digests(*engine, prompts);
        if (expected.empty()) expected = found;
        EXPECT_EQ(found, expected) << options.isa << " threads " << options.threads;
      }
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Models, QuantizedModel,
                         testing::Values("llama-gqa-bf16", "llama-bias-f32", "llama-mqa-bf16",
                                         "llama-linear-f16", "mistral-swa-f32", "qwen-mha-bf16",
                                         "qwen2-gqa-bf16", "qwen3-gqa-bf16"),
                         [](const auto& name) {
                           std::string text = name.param;
                           for (char& c : text) c = c == '-' ? '_' : c;
                           return text;
                         });

std::string error_of(const EngineOptions& options) {
  try {
    Engine::load(options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(QuantizedFolder, SaysWhatItIs) {
  const GoldenModel model = read_golden("llama-gqa-bf16");
  const TempFolder temp;
  const QuantizeSummary summary = quantize_folder({model.folder, temp.file("q"), "int8", {}});
  EXPECT_LT(summary.bytes, summary.bytes_before * 6 / 10);
  const Json info = Json::parse(inspect_json(temp.file("q"), 2), "inspect");
  EXPECT_EQ(info.find("quantize")->string(), "int8");
  EXPECT_EQ(info.find("dtype")->string(), "bfloat16");
  const Json asked = Json::parse(inspect_json(model.folder, 2, "auto", "int8"), "inspect");
  EXPECT_EQ(*info.find("ranks"), *asked.find("ranks")) << "the same bytes either way";

  EngineOptions options = options_for(temp.file("q"));
  options.quantize = "int8";
  EXPECT_EQ(error_of(options), "") << "the form that it has may be asked for";
  options.quantize = "int4";
  EXPECT_THAT(error_of(options), HasSubstr("stored as int8"));
  try {
    quantize_folder({temp.file("q"), temp.file("twice"), "int8", {}});
    ADD_FAILURE() << "quantized twice";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("quantized already"));
  }
  EXPECT_FALSE(std::filesystem::exists(temp.file("twice")));
}

TEST(QuantizedFolder, InterruptedLeavesNothing) {
  const GoldenModel model = read_golden("llama-gqa-bf16");
  const TempFolder temp;
  int calls = 0;
  const auto stop = [&calls](int64_t, int64_t) { return ++calls < 4; };
  EXPECT_THROW(quantize_folder({model.folder, temp.file("q"), "int4", stop}), Error);
  EXPECT_EQ(calls, 4);
  EXPECT_TRUE(std::filesystem::is_empty(temp.path()));
}

}  // namespace
}  // namespace tandem::test
